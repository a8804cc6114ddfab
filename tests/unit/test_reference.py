"""The reference worker, run as the action runs it: its own process, files in and out."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.diagnostics import ExitCode
from anvil.core.digest import digest_of
from anvil.core.graph import Graph, Op
from anvil.verify.reference import (
    LITERT_VERSION,
    OUTPUTS,
    decode,
    encode_inputs,
    reference_action,
    worker_source,
)
from tests.support.tflite_builder import (
    activation,
    model_object,
    one_op_graph,
    pack,
    run_reference,
    tflite_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

A = activation("a", (1, 6), scale=0.5, zero_point=3)
B = activation("b", (1, 6), scale=0.25, zero_point=-9)
C = activation("c", (1, 6), scale=0.1, zero_point=5)
RESCALE = one_op_graph("QUANTIZE", [A], [B])
TWO_OPS = Graph(
    tensors=(A, B, C),
    ops=(
        Op(index=0, kind="QUANTIZE", inputs=(0,), outputs=(1,)),
        Op(index=1, kind="QUANTIZE", inputs=(1,), outputs=(2,)),
    ),
    inputs=(0,),
    outputs=(2,),
)


def run_worker(
    folder: Path, model: bytes, inputs: bytes, *, layers: bool = False
) -> subprocess.CompletedProcess[str]:
    """What the host executor does with the action: its files, its words, nothing else."""
    action = reference_action(
        model=digest_of(model),
        inputs=digest_of(inputs),
        worker=digest_of(worker_source()),
        layers=layers,
    )
    contents = {digest_of(content): content for content in (model, inputs, worker_source())}
    for node in action.inputs.files:
        (folder / node.path).write_bytes(contents[node.digest])
    argv = [word.format(python=sys.executable) for word in action.argv]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, env={})


def batches(n: int) -> list[list[bytes]]:
    values = np.arange(6 * n, dtype=np.int8) * 5
    return [[values[6 * i : 6 * i + 6].tobytes()] for i in range(n)]


def test_outputs_are_those_of_the_reference_kernels(tmp_path: Path) -> None:
    model = tflite_bytes(RESCALE)
    completed = run_worker(tmp_path, model, encode_inputs(batches(3)))
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    outputs = decode((tmp_path / OUTPUTS).read_bytes()).values
    expected = []
    for (content,) in batches(3):
        (array,) = run_reference(model, [np.frombuffer(content, np.int8).reshape(1, 6)])
        expected.append((array.tobytes(),))
    assert outputs == tuple(expected)


def test_layers_hold_what_every_operator_writes(tmp_path: Path) -> None:
    model, inputs = tflite_bytes(TWO_OPS), encode_inputs(batches(2))
    assert run_worker(tmp_path, model, inputs).returncode == 0
    outputs = decode((tmp_path / OUTPUTS).read_bytes()).values
    assert run_worker(tmp_path, model, inputs, layers=True).returncode == 0
    layers = decode((tmp_path / OUTPUTS).read_bytes())
    described = [(t.index, t.op, t.name, t.shape, t.dtype) for t in layers.tensors]
    assert described == [(1, 0, "b", (1, 6), "int8"), (2, 1, "c", (1, 6), "int8")]
    assert [(row[1],) for row in layers.values] == list(outputs)
    (first,) = run_reference(
        tflite_bytes(RESCALE), [np.frombuffer(batches(1)[0][0], np.int8).reshape(1, 6)]
    )
    assert layers.values[0][0] == first.tobytes()


def test_an_output_that_is_listed_twice_comes_twice(tmp_path: Path) -> None:
    graph = Graph(tensors=(A, B), ops=RESCALE.ops, inputs=(0,), outputs=(1, 0, 1))
    assert run_worker(tmp_path, tflite_bytes(graph), encode_inputs(batches(1))).returncode == 0
    ((first, second, third),) = decode((tmp_path / OUTPUTS).read_bytes()).values
    assert (first, second) == (third, batches(1)[0][0])


def test_a_damaged_model_ends_with_one_sentence(tmp_path: Path) -> None:
    for model in (b"", b"TFL3", tflite_bytes(RESCALE)[:200]):
        completed = run_worker(tmp_path, model, b"\0" * 6)
        assert completed.returncode == 1
        assert completed.stderr.splitlines()[-1].startswith("LiteRT refuses the model: ")
        assert "Traceback" not in completed.stderr
        assert not (tmp_path / OUTPUTS).exists()


def test_a_model_that_crashes_litert_ends_with_one_sentence(tmp_path: Path) -> None:
    model = model_object(RESCALE)
    model.subgraphs[0].operators[0].inputs = [2**31 - 1]
    completed = run_worker(tmp_path, pack(model), b"\0" * 6)
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1].startswith("LiteRT ")
    assert "Traceback" not in completed.stderr


def test_inputs_that_are_no_whole_inferences_are_refused(tmp_path: Path) -> None:
    completed = run_worker(tmp_path, tflite_bytes(RESCALE), b"\0" * 7)
    assert completed.returncode == ExitCode.FAILED
    assert completed.stderr.strip() == "one inference takes 6 bytes of input, found 7"


def test_the_pinned_version_is_the_one_in_use() -> None:
    assert importlib.metadata.version("ai-edge-litert") == LITERT_VERSION


def test_the_action_names_everything_that_its_result_depends_on() -> None:
    def key(
        model: bytes = b"m", inputs: bytes = b"i", worker: bytes = b"w", *, layers: bool
    ) -> str:
        return reference_action(
            model=digest_of(model),
            inputs=digest_of(inputs),
            worker=digest_of(worker),
            layers=layers,
        ).key

    keys = [
        key(layers=False),
        key(layers=True),
        key(model=b"n", layers=False),
        key(inputs=b"j", layers=False),
        key(worker=b"x", layers=False),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no header line"),
        (b'{"format": 2}\n', "format 2, expected 1"),
        (b'{"format": 1, "n_inferences": 1, "tensors": []}\nx', "1 bytes of tensors, expected 0"),
    ],
)
def test_a_broken_output_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(content)
