"""Candidates of float32 .tflite files: made by LiteRT, kept, pinned; TensorFlow takes no part."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.diagnostics import AnvilError, ExitCode, Severity
from anvil.importers.tflite_kind import kind_of
from anvil.pipeline.candidates import candidate_models, mixed_candidate, pin
from tests.support.data_projects import workspace
from tests.support.float_models import (
    N_INPUTS,
    dense_graph,
    dense_model,
    real_outputs,
    signal_to_noise_db,
    uneven_model,
)
from tests.support.programs import ROOT
from tests.support.tflite_builder import tflite_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.candidate import Candidate
    from anvil.pipeline.candidates import CandidateSet
    from anvil.pipeline.events import Event
    from anvil.pipeline.workspace import Workspace

NAMES = ["float32", "float16", "int8", "int16x8"]
_SAMPLES = np.random.default_rng(5).uniform(-1, 1, (32, N_INPUTS)).astype(np.float32)


def _deaf(_event: Event) -> None:
    pass


def _workspace(folder: Path, model: bytes, *, n_samples: int = 32) -> Workspace:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    if n_samples == 0:
        return workspace(project, cache=folder / "cache", model=model)
    np.savez(project / "data.npz", x=_SAMPLES[:n_samples])
    return workspace(project, cache=folder / "cache", model=model, calibration="data.npz")


def _codes(found: CandidateSet) -> list[str]:
    return [diagnostic.code for diagnostic in found.diagnostics]


def test_every_candidate_runs_and_is_near_the_float_model(tmp_path: Path) -> None:
    found = candidate_models(_workspace(tmp_path, dense_model()), _deaf)
    assert [one.name for one in found.candidates] == NAMES
    assert found.diagnostics == ()
    assert found.float_model is not None
    samples = list(_SAMPLES[:, np.newaxis])
    expected = real_outputs(found.float_model.content, samples)
    nearness = {
        one.name: signal_to_noise_db(expected, real_outputs(one.content, samples))
        for one in found.candidates
    }
    assert nearness["float32"] == np.inf
    assert nearness["float16"] > 55  # eleven bits of weights
    assert 25 < nearness["int8"] < nearness["int16x8"] < nearness["float16"]
    kinds = [kind_of(one.content, one.name) for one in found.candidates]
    assert [kind and kind.name for kind in kinds] == NAMES


def test_candidates_are_the_same_in_another_cache_and_known_in_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = candidate_models(_workspace(tmp_path / "a", dense_model()), _deaf)
    second = candidate_models(_workspace(tmp_path / "b", dense_model()), _deaf)
    assert [one.sha256 for one in first.candidates] == [one.sha256 for one in second.candidates]
    steps: list[str] = []
    again = candidate_models(
        _workspace(tmp_path / "a", dense_model()), lambda event: steps.append(event.step)
    )
    assert again.candidates == first.candidates
    assert set(steps) == {""}, "nothing was made again"


def test_other_data_makes_other_candidates(tmp_path: Path) -> None:
    one = candidate_models(_workspace(tmp_path, dense_model(), n_samples=32), _deaf)
    other = candidate_models(_workspace(tmp_path, dense_model(), n_samples=9), _deaf)
    changed = [a.name for a, b in zip(one.candidates, other.candidates, strict=True) if a != b]
    assert changed == ["int8", "int16x8"]


def test_what_the_cache_lost_is_made_again(tmp_path: Path) -> None:
    first = candidate_models(_workspace(tmp_path, dense_model()), _deaf)
    shutil.rmtree(tmp_path / "cache" / "cas")
    assert candidate_models(_workspace(tmp_path, dense_model()), _deaf) == first
    for path in (tmp_path / "cache" / "cas").glob("*/*"):
        path.chmod(0o644)
        path.write_bytes(b"damaged")
    assert candidate_models(_workspace(tmp_path, dense_model()), _deaf) == first


def test_without_data_random_inputs_stand_in_and_it_is_said(tmp_path: Path) -> None:
    found = candidate_models(_workspace(tmp_path, dense_model(), n_samples=0), _deaf)
    assert [one.name for one in found.candidates] == NAMES
    (said,) = found.diagnostics
    assert said.code == "quantize.no-calibration"
    assert said.severity is Severity.WARNING
    assert "64 random inputs from -1 to 1" in said.message
    # It is said of what the cache knows, too.
    again = candidate_models(_workspace(tmp_path, dense_model(), n_samples=0), _deaf)
    assert again == found


def test_few_samples_are_said(tmp_path: Path) -> None:
    found = candidate_models(_workspace(tmp_path, dense_model(), n_samples=7), _deaf)
    assert _codes(found) == ["quantize.few-samples"]
    assert "7 samples" in found.diagnostics[0].message
    enough = candidate_models(_workspace(tmp_path, dense_model(), n_samples=8), _deaf)
    assert _codes(enough) == []


def test_one_failing_candidate_is_reported_and_the_rest_go_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, (6, N_INPUTS))
    first[0, 0] = 1e6  # more than a half holds
    model = tflite_bytes(dense_graph([first, rng.normal(0, 1, (3, 6))]))
    found = candidate_models(_workspace(tmp_path, model), _deaf)
    assert [one.name for one in found.candidates] == ["float32", "int8", "int16x8"]
    ((name, reason),) = [(one.name, one.diagnostics[0].message) for one in found.failures]
    assert name == "float16"
    assert "1e+06" in reason
    assert "65504" in reason
    assert _codes(found) == ["quantize.refused"]
    assert found.diagnostics[0].severity is Severity.WARNING


def test_only_the_candidates_that_are_asked_for(tmp_path: Path) -> None:
    found = candidate_models(_workspace(tmp_path, dense_model()), _deaf, names=["int8"])
    assert [one.name for one in found.candidates] == ["int8"]
    assert found.float_model is not None
    with pytest.raises(AnvilError) as caught:
        candidate_models(_workspace(tmp_path, dense_model()), _deaf, names=["int4"])
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert "'int4'" in caught.value.diagnostics[0].message


def test_a_quantized_model_is_its_only_candidate(tmp_path: Path) -> None:
    made = candidate_models(_workspace(tmp_path, dense_model()), _deaf)
    for name in ("float16", "int8", "int16x8"):
        model = made.named(name)
        assert model is not None
        found = candidate_models(_workspace(tmp_path, model.content), _deaf)
        assert [one.name for one in found.candidates] == [name]
        assert found.float_model is None
        with pytest.raises(AnvilError) as caught:
            candidate_models(_workspace(tmp_path, model.content), _deaf, names=["float32"])
        assert f"the model is {name} already" in caught.value.diagnostics[0].message


def test_weights_alone_in_int8_are_refused(tmp_path: Path) -> None:
    graph = dense_graph([np.ones((2, N_INPUTS))])
    made = candidate_models(_workspace(tmp_path, tflite_bytes(graph)), _deaf).named("int8")
    assert made is not None
    # What dynamic range quantization leaves: int8 weights between float32 activations.
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    from tests.support.tflite_builder import pack  # noqa: PLC0415

    model = schema.ModelT.InitFromPackedBuf(made.content, 0)
    for tensor in model.subgraphs[0].tensors:
        if not tensor.name.endswith(b"weights"):
            tensor.type, tensor.quantization = 0, None
    with pytest.raises(AnvilError) as caught:
        candidate_models(_workspace(tmp_path, pack(model)), _deaf)
    assert caught.value.diagnostics[0].code == "model.hybrid"


# Mixed precision.


def test_mixed_regains_what_uneven_channels_lose(tmp_path: Path) -> None:
    project = _workspace(tmp_path, uneven_model())
    found = candidate_models(project, _deaf)
    assert found.float_model is not None
    int8 = found.named("int8")
    assert int8 is not None
    samples = list(_SAMPLES[:, np.newaxis])
    expected = real_outputs(found.float_model.content, samples)

    def nearness(one: Candidate) -> float:
        return signal_to_noise_db(expected, real_outputs(one.content, samples))

    floor_db = 25.0
    assert nearness(int8) < 10, "int8 loses half of the channels"
    asked = []

    def meets(one: Candidate) -> bool:
        asked.append(nearness(one))
        return asked[-1] >= floor_db

    mixed, diagnostics = mixed_candidate(project, _deaf, found, meets=meets)
    assert diagnostics == ()
    assert mixed is not None
    assert nearness(mixed) >= floor_db
    assert len(asked) <= 3
    kind = kind_of(mixed.content, "mixed")
    assert kind is not None
    assert kind.name == "mixed"
    # The layers around the uneven channels are in float, and no others.
    assert _float_layers(mixed.content) == {2, 3}
    assert len(int8.content) < len(mixed.content) < len(found.float_model.content) + 4096


def _float_layers(content: bytes) -> set[int]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    reader = Interpreter(model_content=content)
    reader.allocate_tensors()
    names = {row["index"]: row for row in reader.get_tensor_details()}
    layers = set()
    for op in reader._get_ops_details():
        out = names[op["outputs"][0]]
        if op["op_name"] == "FULLY_CONNECTED" and out["dtype"] is np.float32:
            layers.add(int(out["name"].removeprefix("dense")[0]))
    return layers


def test_mixed_says_no_where_nothing_meets_the_floor(tmp_path: Path) -> None:
    project = _workspace(tmp_path, uneven_model())
    found = candidate_models(project, _deaf)
    asked: list[set[int]] = []

    def never(one: Candidate) -> bool:
        asked.append(_float_layers(one.content))
        return False

    mixed, diagnostics = mixed_candidate(project, _deaf, found, meets=never)
    assert mixed is None
    assert diagnostics == ()
    assert 1 <= len(asked) <= 6
    for fewer, more in itertools.pairwise(asked):
        assert fewer < more, "each step has more in float than the one before"


# Pins.


def test_pinned_candidates_are_taken_while_model_and_data_are_theirs(tmp_path: Path) -> None:
    project = _workspace(tmp_path, dense_model())
    found = candidate_models(project, _deaf)
    names = pin(project, found)
    assert sorted(names) == sorted([*(f"{name}.tflite" for name in NAMES), "index.json"])
    shutil.rmtree(tmp_path / "cache")
    steps: list[str] = []
    pinned = candidate_models(project, lambda event: steps.append(event.step))
    assert pinned.is_pinned
    assert pinned.candidates == found.candidates
    assert pinned.float_model == found.float_model
    assert steps == [], "nothing was made"


@pytest.mark.parametrize(
    ("what", "word"), [("model", "the model"), ("data", "the calibration data")]
)
def test_stale_pins_are_said_and_not_used(tmp_path: Path, what: str, word: str) -> None:
    project = _workspace(tmp_path, dense_model())
    pin(project, candidate_models(project, _deaf))
    changed = _workspace(
        tmp_path,
        dense_model(seed=1) if what == "model" else dense_model(),
        n_samples=20 if what == "data" else 32,
    )
    found = candidate_models(changed, _deaf)
    assert not found.is_pinned
    assert _codes(found) == ["pin.stale"]
    assert f"{word} changed" in found.diagnostics[0].message
    # Pinned again, it holds again, and nothing is left of the former.
    pin(changed, found)
    assert candidate_models(changed, _deaf).is_pinned


def test_pins_of_another_quantizer_are_stale(tmp_path: Path) -> None:
    project = _workspace(tmp_path, dense_model())
    pin(project, candidate_models(project, _deaf))
    index = project.folder / "quantized" / "index.json"
    document = json.loads(index.read_text())
    document["quantizers"]["ai-edge-litert"] = "2.0.0"
    index.write_text(json.dumps(document))
    found = candidate_models(project, _deaf)
    assert _codes(found) == ["pin.stale"]
    assert "ai-edge-litert 2.0.0" in found.diagnostics[0].message


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ("index", "is not what --pin writes"),
        ("format", "has format 7"),
        ("file", "is not the file that index.json names"),
        ("missing", "which is not there"),
        ("outside", "in a way that --pin does not"),
    ],
)
def test_damaged_pins_are_an_error(tmp_path: Path, damage: str, word: str) -> None:
    project = _workspace(tmp_path, dense_model())
    pin(project, candidate_models(project, _deaf))
    folder = project.folder / "quantized"
    document = json.loads((folder / "index.json").read_text())
    if damage == "index":
        del document["model"]
    elif damage == "format":
        document["format"] = 7
    elif damage == "file":
        (folder / "int8.tflite").write_bytes(b"other")
    elif damage == "missing":
        (folder / "int8.tflite").unlink()
    else:
        document["candidates"]["int8"]["file"] = "../int8.tflite"
    (folder / "index.json").write_text(json.dumps(document))
    with pytest.raises(AnvilError) as caught:
        candidate_models(project, _deaf)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert word in caught.value.diagnostics[0].message
    assert caught.value.diagnostics[0].hint


def test_a_quantized_model_has_nothing_to_pin(tmp_path: Path) -> None:
    content = (ROOT / "quantized/int8.tflite").read_bytes()
    project = _workspace(tmp_path, content, n_samples=0)
    with pytest.raises(AnvilError) as caught:
        pin(project, candidate_models(project, _deaf))
    assert caught.value.diagnostics[0].code == "pin.quantized"
