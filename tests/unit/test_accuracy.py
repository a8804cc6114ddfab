"""Accuracy and fidelity of candidates, measured with the real reference kernels."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import BuiltinOperator

from anvil.cache.store import Store
from anvil.core.attributes import SoftmaxAttributes
from anvil.core.candidate import Candidate
from anvil.core.diagnostics import AnvilError, Severity
from anvil.core.target import Requirements
from anvil.core.tensor import DType
from anvil.pipeline.accuracy import MeasuredCandidates, measure
from tests.support.data_projects import text_of, workspace
from tests.support.networks import concatenation_attributes
from tests.support.tflite_builder import (
    activation,
    model_object,
    one_op_graph,
    one_op_model,
    pack,
    run_reference,
    tflite_bytes,
)
from tests.unit.test_starter import loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.graph import Graph
    from anvil.pipeline.events import Event
    from tests.support.golden import Golden

WIDTH = 4
RNG = np.random.default_rng(3)
ROWS = RNG.normal(0, 1, (60, WIDTH)).astype(np.float32)
LABELS = np.where(RNG.random(60) < 0.8, ROWS.argmax(axis=1), 0)


def relu_graph(dtype: DType, scale: float | None = None) -> Graph:
    """A model of one RELU; quantized where it has a scale."""
    shape = (1, WIDTH)
    x = activation("x", shape, dtype=dtype, scale=scale, zero_point=0)
    y = activation("y", shape, dtype=dtype, scale=scale, zero_point=0)
    return one_op_graph("RELU", [x], [y])


def relu(dtype: DType, scale: float | None = None) -> bytes:
    return tflite_bytes(relu_graph(dtype, scale))


FLOAT = relu(DType.FLOAT32)
FINE, COARSE = relu(DType.INT8, 0.03), relu(DType.INT8, 1.7)


def candidate(name: str, content: bytes) -> Candidate:
    return Candidate(name=name, content=content, sha256=hashlib.sha256(content).hexdigest())


FLOAT32, INT8 = candidate("float32", FLOAT), candidate("int8", FINE)


def run(
    folder: Path,
    *candidates: Candidate,
    float_model: bytes | None = FLOAT,
    events: list[Event] | None = None,
    n_jobs: int = 1,
    **data: Any,  # noqa: ANN401  DataFiles' fields
) -> MeasuredCandidates:
    return measure(
        workspace(folder, cache=folder / ".cache", **data),
        candidates,
        float_model=float_model,
        listener=(lambda _: None) if events is None else events.append,
        n_jobs=n_jobs,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    np.savez(tmp_path / "e.npz", x=ROWS, y=LABELS)
    return tmp_path


def test_accuracy_is_that_of_the_dequantized_reference_kernels(project: Path) -> None:
    found = run(
        project,
        FLOAT32,
        INT8,
        candidate("coarse", COARSE),
        evaluation="e.npz",
        metric="top1",
        n_jobs=2,
    )
    assert (found.failures, found.diagnostics) == ((), ())
    exact = float((np.maximum(ROWS, 0).argmax(axis=1) == LABELS).mean())
    for one, scale in zip(found.candidates, (None, 0.03, 1.7), strict=True):
        outputs = np.maximum(ROWS, 0)
        if scale is not None:
            steps = np.clip(np.round(ROWS / np.float32(scale)), -128, 127)
            outputs = (np.maximum(steps, 0) * scale).astype(np.float32)
        accuracy = one.accuracy
        assert accuracy is not None
        assert one.fidelity is None
        assert accuracy.value == float((outputs.argmax(axis=1) == LABELS).mean())
        assert accuracy.interval[0] < accuracy.value < accuracy.interval[1]
        assert (accuracy.metric, accuracy.n_samples) == ("top1", 60)
        assert accuracy.reference == exact
        assert accuracy.drop == exact - accuracy.value
    assert found.candidates[0].accuracy is not None
    assert found.candidates[0].accuracy.drop == 0
    assert found.candidates[2].accuracy is not None
    assert found.candidates[2].accuracy.drop is not None
    assert found.candidates[2].accuracy.drop > 0


def test_what_was_measured_is_known_until_something_changes(project: Path) -> None:
    def steps(*candidates: Candidate, **data: Any) -> list[str]:  # noqa: ANN401  DataFiles' fields
        events: list[Event] = []
        run(project, *candidates, events=events, **({"metric": "top1"} | data), evaluation="e.npz")
        return [event.step for event in events if event.step]

    read = "reading evaluation data"
    assert steps(FLOAT32) == [read, "measuring the float model"]
    assert steps(FLOAT32) == []
    assert steps(FLOAT32, INT8) == [read, "measuring int8"]
    # Another metric takes the same inferences.
    assert steps(FLOAT32, INT8, metric="mse", key_y="none") == [read]
    np.savez(project / "e.npz", x=ROWS[:50], y=LABELS[:50])
    assert steps(INT8) == [read, "measuring the float model", "measuring int8"]


def test_inputs_are_known_by_name_where_a_candidate_has_them_in_another_order(
    tmp_path: Path,
) -> None:
    left, right = (
        activation(name, (1, 2), dtype=DType.FLOAT32, scale=None) for name in ("left", "right")
    )
    both = activation("both", (1, 4), dtype=DType.FLOAT32, scale=None)
    graph = one_op_graph("CONCATENATION", [left, right], [both], concatenation_attributes(1))
    exact = tflite_bytes(graph)
    swapped = tflite_bytes(replace(graph, inputs=graph.inputs[::-1]))
    np.savez(tmp_path / "e.npz", left=ROWS[:, :2], right=ROWS[:, 2:], y=ROWS)
    found = run(
        tmp_path,
        candidate("float32", exact),
        candidate("swapped", swapped),
        float_model=exact,
        evaluation="e.npz",
        metric="mse",
    )
    assert [one.accuracy.value for one in found.candidates if one.accuracy is not None] == [0, 0]


def test_a_damaged_cache_is_mended(project: Path) -> None:
    first = run(project, INT8, evaluation="e.npz", metric="top1")
    store = Store(root=project / ".cache")
    for path in (store.root / "cas").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    assert run(project, INT8, evaluation="e.npz", metric="top1") == first


def test_many_samples_are_measured_in_blocks(project: Path) -> None:
    rows = RNG.normal(0, 1, (600, WIDTH)).astype(np.float32)
    np.savez(project / "e.npz", x=rows)
    events: list[Event] = []
    found = run(project, INT8, float_model=None, events=events, evaluation="e.npz", metric="mse")
    steps = [event.step for event in events if event.step.startswith("measuring")]
    assert steps == [f"measuring int8: {n} of 600" for n in (0, 256, 512)]
    (one,) = found.candidates
    assert one.accuracy is not None
    outputs = np.maximum(np.clip(np.round(rows / np.float32(0.03)), -128, 127), 0) * 0.03
    assert one.accuracy.value == pytest.approx(np.square(outputs - rows).mean(), rel=1e-5)
    assert (one.accuracy.reference, one.accuracy.drop) == (None, None)
    assert not one.accuracy.higher_is_better


@pytest.mark.parametrize("with_data", [True, False])
def test_without_evaluation_data_there_is_fidelity_and_it_says_so(
    project: Path, *, with_data: bool
) -> None:
    data: dict[str, Any] = {"calibration": "e.npz"} if with_data else {}
    found = run(project, FLOAT32, INT8, **data)
    exact, near = found.candidates
    assert exact.fidelity is not None
    assert near.fidelity is not None
    assert exact.accuracy is near.accuracy is None
    assert exact.fidelity.signal_to_noise_db is None
    assert near.fidelity.signal_to_noise_db is not None
    assert near.fidelity.signal_to_noise_db > 25
    expected = (60, "calibration") if with_data else (32, "random")
    assert (near.fidelity.n_inferences, near.fidelity.inputs) == expected
    (note,) = found.diagnostics
    assert note.severity is Severity.WARNING
    assert "which is not accuracy" in note.message
    assert ("the calibration data" if with_data else "random inputs") in note.message


def test_a_model_that_came_quantized_has_nothing_to_be_compared_with(project: Path) -> None:
    found = run(project, INT8, float_model=None)
    assert found == MeasuredCandidates(candidates=(INT8,), failures=(), diagnostics=())


def softmax(dtype: DType, n_classes: int) -> bytes:
    scale, zero_point = (0.1, 0) if dtype is DType.INT8 else (None, 0)
    shape = (1, n_classes)
    x = activation("x", shape, dtype=dtype, scale=scale, zero_point=zero_point)
    scale, zero_point = (1 / 256, -128) if dtype is DType.INT8 else (None, 0)
    y = activation("y", shape, dtype=dtype, scale=scale, zero_point=zero_point)
    return one_op_model("SOFTMAX", [x], [y], SoftmaxAttributes(beta=1.0))


def test_a_candidate_that_crashes_litert_fails_alone_and_says_why(
    project: Path, golden: Golden
) -> None:
    # 600 equal scores: the exponentials sum to 600, and LiteRT stops from 512 on.
    np.savez(project / "e.npz", x=np.zeros((3, 600), np.float32), y=[0, 0, 1])
    exact = softmax(DType.FLOAT32, 600)
    found = run(
        project,
        candidate("float32", exact),
        candidate("int8", softmax(DType.INT8, 600)),
        candidate("torn", exact[:200]),
        candidate("narrow", FLOAT),
        float_model=exact,
        evaluation="e.npz",
        metric="top1",
    )
    assert [one.name for one in found.candidates] == ["float32"]
    assert [one.name for one in found.failures] == ["int8", "torn", "narrow"]
    said = "".join(text_of(one.diagnostics, project) for one in found.failures)
    golden.check("accuracy/candidates.txt", said)


def test_a_float_model_that_cannot_run_is_a_warning(project: Path) -> None:
    model = model_object(relu_graph(DType.FLOAT32))
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.CUSTOM
    code.customCode = b"Unheard"
    found = run(project, INT8, float_model=pack(model), evaluation="e.npz", metric="top1")
    (one,) = found.candidates
    assert one.accuracy is not None
    assert (one.accuracy.reference, one.accuracy.drop) == (None, None)
    (note,) = found.diagnostics
    assert note.severity is Severity.WARNING
    assert note.message.startswith("the float model cannot be measured: LiteRT refuses the model")


METRIC = """\
import numpy as np

from helpers.scores import hits

def accuracy(outputs, labels):
    return float(hits(outputs, labels).mean())

def per_sample(outputs, labels):
    outputs[:] = outputs + 1  # what it gets is its own
    return hits(outputs, labels)

def unlabelled(outputs, labels):
    return outputs.max() if labels is None else 0.0

def boom(outputs, labels):
    return hits(outputs, labels[:, 7])

def nan(outputs, labels):
    return float("nan")

def word(outputs, labels):
    return "good"

def nothing(outputs, labels):
    pass

def ragged(outputs, labels):
    return [[1], [1, 2]]

def leave(outputs, labels):
    raise SystemExit("I leave")

def pair(outputs, labels):
    return [0.5, 0.75]

calls = []

def moody(outputs, labels):
    calls.append(1)
    if len(calls) > 1:
        raise ValueError("only whole sets")
    return 1.0

number = 7
"""
HELPERS = """\
from . import constants

def hits(outputs, labels):
    return outputs.argmax(axis=constants.AXIS) == labels
"""


@pytest.fixture
def with_metrics(project: Path) -> Path:
    (project / "helpers").mkdir()
    (project / "mine.py").write_text(METRIC)
    (project / "helpers/__init__.py").write_text("")
    (project / "helpers/scores.py").write_text(HELPERS)
    (project / "helpers/constants.py").write_text("AXIS = 1\n")
    (project / "broken.py").write_text("import numpy\n\ndef f(:\n")
    (project / "vanishing.py").write_text("import os\n\ndef f(outputs, labels):\n    os._exit(3)\n")
    (project / "lacking.py").write_text("import numpy\nimport no_such_package_here\n")
    return project


def test_functions_of_the_users_own(with_metrics: Path) -> None:
    def accuracy(metric: str, **data: Any) -> Any:  # noqa: ANN401  DataFiles' fields; Accuracy
        found = run(with_metrics, INT8, evaluation="e.npz", metric=metric, **data)
        assert found.failures == ()
        return found.candidates[0].accuracy

    own = accuracy("top1")
    for metric in ("mine:accuracy", "mine:per_sample"):
        theirs = accuracy(metric)
        assert (theirs.metric, theirs.value) == (metric, pytest.approx(own.value))
        assert theirs.reference == pytest.approx(own.reference)
        assert theirs.higher_is_better
        assert theirs.interval == pytest.approx(own.interval, abs=0.04)
    assert not accuracy("mine:accuracy", higher_is_better=False).higher_is_better
    (output,) = run_reference(FINE, [np.full((1, WIDTH), 127, np.int8)])
    unlabelled = accuracy("mine:unlabelled", key_y="none")
    assert 0 < unlabelled.value <= float(output.max()) * 0.03 + 1e-6


def test_a_changed_helper_of_the_users_is_noticed(with_metrics: Path) -> None:
    def value() -> float:
        found = run(
            with_metrics, INT8, float_model=None, evaluation="e.npz", metric="mine:accuracy"
        )
        assert found.candidates[0].accuracy is not None
        return found.candidates[0].accuracy.value

    first = value()
    text = HELPERS.replace("== labels", "!= labels")
    (with_metrics / "helpers/scores.py").write_text(text)
    assert value() == pytest.approx(1 - first)


FAILING = {
    "raises": "mine:boom",
    "nan": "mine:nan",
    "word": "mine:word",
    "nothing": "mine:nothing",
    "ragged": "mine:ragged",
    "exit": "mine:leave",
    "too_few": "mine:pair",
    "no_interval": "mine:moody",
    "no_function": "mine:f1",
    "no_callable": "mine:number",
    "no_module": "tools.measure:f1",
    "syntax": "broken:f",
    "import": "lacking:f",
}


@pytest.mark.parametrize("case", sorted(FAILING))
def test_a_users_mistake_is_one_error_at_its_place(
    case: str, with_metrics: Path, golden: Golden
) -> None:
    with pytest.raises(AnvilError) as error:
        run(
            with_metrics,
            INT8,
            evaluation="e.npz",
            metric=FAILING[case],
            positions=(("metric", 6, 11),),
        )
    assert error.value.exit_code == 2
    golden.check(f"accuracy/{case}.txt", text_of(error.value.diagnostics, with_metrics))


def test_a_function_that_takes_its_process_along_is_told_of(with_metrics: Path) -> None:
    with pytest.raises(AnvilError) as error:
        run(with_metrics, INT8, evaluation="e.npz", metric="vanishing:f")
    (said,) = error.value.diagnostics
    assert "exit code 3" in said.message
    assert "data.metric" in (said.hint or "")


@pytest.mark.parametrize(
    ("n_samples", "floor", "words"),
    [
        (5, None, "5 samples, which says little"),
        (1, None, "1 sample, which"),
        (50, 0.01, "a single one is more of top1 than max_accuracy_drop, 0.01"),
        (50, 0.02, None),
        (8, None, None),
    ],
)
def test_too_few_samples_for_what_is_asked_are_said(
    project: Path, n_samples: int, floor: float | None, words: str | None
) -> None:
    np.savez(project / "e.npz", x=ROWS[:n_samples], y=LABELS[:n_samples])
    made = workspace(project, cache=project / ".cache", evaluation="e.npz", metric="top1")
    request = loaded("version: 1\nname: p\nmodel: m.tflite\ntargets: {rpi4: {}}\n").project.targets[
        0
    ]
    request = replace(request, requirements=Requirements(max_accuracy_drop=floor))
    made = replace(made, project=replace(made.project, targets=(request,)))
    found = measure(made, [FLOAT32], float_model=FLOAT, listener=lambda _: None)
    assert len(found.candidates) == 1
    assert [words in d.message for d in found.diagnostics if words is not None] == [True] * (
        words is not None
    )
    assert bool(found.diagnostics) == (words is not None)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: np.savez(path, x=ROWS, y=LABELS * 0), "every label is 0"),
        (lambda path: np.savez(path, x=ROWS), "the evaluation data has none"),
        (lambda path: np.savez(path, x=ROWS[:, :3], y=LABELS), "the model takes N x 4"),
        (lambda path: np.savez(path, x=ROWS, y=LABELS[1:]), "59 labels for 60 samples"),
    ],
)
def test_wrong_data_stops_everything_once(
    project: Path, write: Callable[[Path], None], said: str
) -> None:
    write(project / "e.npz")
    with pytest.raises(AnvilError, match=said) as error:
        run(project, FLOAT32, INT8, evaluation="e.npz", metric="auc:reconstruction")
    assert error.value.exit_code == 2
    assert len(error.value.diagnostics) == 1


# Known answers of the published models.


def test_the_anomaly_detectors_published_scores(
    tmp_path: Path, shared_model: Callable[[str], Path]
) -> None:
    frames = np.fromfile(shared_model("ad.features.bin"), "<f4").reshape(200, 128)
    windows = np.stack([frames[first : first + 5].ravel() for first in range(196)])
    np.savez(tmp_path / "e.npz", x=windows)
    exact = shared_model("ad.float32.tflite").read_bytes()
    int8 = candidate("int8", shared_model("ad.int8.tflite").read_bytes())
    found = run(
        tmp_path,
        candidate("float32", exact),
        int8,
        float_model=exact,
        evaluation="e.npz",
        metric="mse",
    )
    scores = [one.accuracy.value for one in found.candidates if one.accuracy is not None]
    assert scores == pytest.approx([9.70711, 10.26029], rel=0.005)


def test_the_wake_words_published_labels(
    tmp_path: Path, shared_model: Callable[[str], Path]
) -> None:
    data = shared_model("sww.calibration.npz")
    (tmp_path / "e.npz").write_bytes(data.read_bytes())
    int8 = candidate("int8", shared_model("sww.int8.tflite").read_bytes())
    found = run(
        tmp_path,
        int8,
        float_model=None,
        evaluation="e.npz",
        metric="top1",
        keys_x=("specs",),
        key_y="labels",
    )
    accuracy = found.candidates[0].accuracy
    assert accuracy is not None
    assert accuracy.value == 41 / 45
    assert accuracy.interval == pytest.approx((0.7927, 0.9649), abs=1e-4)
