"""Whole models through the operators' NumPy references, against TFLite's reference kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.graph import ABSENT
from anvil.importers.tflite import import_tflite
from anvil.ops.arrays import array_of
from anvil.ops.registry import DEFINITIONS
from tests.support.programs import require_shared_model
from tests.support.tflite_builder import random_array, run_reference

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.graph import Graph

    Array = npt.NDArray[Any]

# Multiply-accumulates as the models' authors and other tools count them.
MACS = {
    "kws": 2_656_768,
    "vww": 7_489_664,
    "ic": 12_501_632,
    "ad": 264_192,
    "sww": 826_368,
}
N_RANDOM = 16


def run(graph: Graph, inputs: list[Array]) -> list[Array]:
    values: dict[int, Array] = {
        i: array_of(tensor) for i, tensor in enumerate(graph.tensors) if tensor.is_constant
    }
    values.update(zip(graph.inputs, inputs, strict=True))
    for op in graph.ops:
        given = [None if index == ABSENT else values[index] for index in op.inputs]
        outputs = DEFINITIONS[op.kind].reference(op, graph, given)
        values.update(zip(op.outputs, outputs, strict=True))
    return [values[index] for index in graph.outputs]


@pytest.mark.parametrize("name", MACS)
def test_a_model_computes_what_tflite_computes(name: str) -> None:
    content = require_shared_model(f"{name}.int8.tflite").read_bytes()
    graph = import_tflite(content, name, DEFINITIONS)
    inputs = [graph.tensors[index] for index in graph.inputs]
    rng = np.random.default_rng(0)
    batches = [[random_array(tensor, rng) for tensor in inputs] for _ in range(N_RANDOM)]
    batches += [
        [np.full(tensor.shape, value, np.int8) for tensor in inputs] for value in (-128, 127)
    ]
    batches.append(
        [
            np.full(tensor.shape, tensor.quantization.zero_point, np.int8)
            for tensor in inputs
            if tensor.quantization is not None
        ]
    )
    for batch in batches:
        for ours, truth in zip(run(graph, batch), run_reference(content, batch), strict=True):
            assert ours.dtype == truth.dtype
            np.testing.assert_array_equal(ours, truth)


@pytest.mark.parametrize("name", MACS)
def test_a_model_has_its_known_number_of_multiply_accumulates(name: str) -> None:
    content = require_shared_model(f"{name}.int8.tflite").read_bytes()
    graph = import_tflite(content, name, DEFINITIONS)
    calls = [call for op in graph.ops for call in DEFINITIONS[op.kind].lower(op, graph)]
    assert sum(call.n_macs for call in calls) == MACS[name]
