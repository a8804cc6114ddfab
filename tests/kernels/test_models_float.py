"""Published float models, and the same with half-precision weights: NumPy, C and TFLite."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType, Tensor
from anvil.core.tolerance import Tolerance
from anvil.importers.tflite import import_tflite
from anvil.ops.arrays import array_of
from anvil.ops.registry import DEFINITIONS
from tests.kernels.test_models_reference import run
from tests.support import projects
from tests.support.agreement import check_agreement
from tests.support.model_program import model_outputs
from tests.support.platforms import PLATFORMS, Platform
from tests.support.programs import require_shared_model
from tests.support.tflite_builder import random_array, run_reference, tflite_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[Any]

MODELS = ("ad", "ic", "vww")
# The operators with weights give TFLite's bits; SOFTMAX's exponential function differs.
TOLERANCE = Tolerance(relative=1e-6)
_TARGETS = {"x86-64": "linux-x86_64", "cortex-m4f": "nrf52840"}
_N_INFERENCES = 2
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def float32(name: str) -> Graph:
    content = require_shared_model(f"{name}.float32.tflite").read_bytes()
    return import_tflite(content, name, DEFINITIONS)


def float16(name: str) -> Graph:
    """As the converter stores half-precision weights: constants, each behind a DEQUANTIZE."""
    graph = float32(name)
    tensors = list(graph.tensors)
    expanding: list[Op] = []
    stands_for: dict[int, int] = {}
    for index in sorted({i for op in graph.ops if op.kind in _WEIGHTED for i in op.inputs[1:]}):
        halves = array_of(tensors[index]).astype(np.float16)
        stands_for[index] = len(tensors)
        tensors.append(Tensor(name=f"expanded{index}", shape=halves.shape, dtype=DType.FLOAT32))
        tensors[index] = replace(tensors[index], dtype=DType.FLOAT16, data=halves.tobytes())
        expanding.append(
            Op(
                index=len(graph.ops) + len(expanding),
                kind="DEQUANTIZE",
                inputs=(index,),
                outputs=(stands_for[index],),
            )
        )
    ops = [
        replace(op, inputs=(op.inputs[0], *(stands_for[i] for i in op.inputs[1:])))
        if op.kind in _WEIGHTED
        else op
        for op in graph.ops
    ]
    return replace(graph, tensors=tuple(tensors), ops=(*expanding, *ops))


FLAVOURS = {"float32": float32, "float16": float16}


def batches_of(graph: Graph) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    return [
        [random_array(graph.tensors[index], rng) for index in graph.inputs]
        for _ in range(_N_INFERENCES)
    ]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", MODELS)
def test_numpy_computes_what_tflite_computes(name: str, flavour: str) -> None:
    graph = FLAVOURS[flavour](name)
    assert all(not list(DEFINITIONS[op.kind].check(op, graph)) for op in graph.ops)
    content = tflite_bytes(graph)
    for batch in batches_of(graph):
        for ours, truth in zip(run(graph, batch), run_reference(content, batch), strict=True):
            check_agreement(ours, truth, TOLERANCE, f"{name} {flavour}")


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "platform", [p for p in PLATFORMS if p.name in _TARGETS], ids=lambda p: p.name
)
def test_c_computes_what_tflite_computes(
    name: str, flavour: str, platform: Platform, tmp_path: Path
) -> None:
    graph = FLAVOURS[flavour](name)
    plan = projects.plan_of(graph, _TARGETS[platform.name], name)
    batches = batches_of(graph)
    content = tflite_bytes(graph)
    results = model_outputs(platform, plan, batches, tmp_path)
    for batch, outputs in zip(batches, results, strict=True):
        for ours, truth in zip(outputs, run_reference(content, batch), strict=True):
            check_agreement(ours, truth, TOLERANCE, f"{name} {flavour} on {platform.name}")


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_weights_are_never_expanded_into_memory(name: str) -> None:
    plain, half = (projects.plan_of(f(name), "nrf52840", name) for f in (float32, float16))
    assert half.arena_bytes == plain.arena_bytes
    # Biases stay float32.
    assert half.weight_bytes < 0.52 * plain.weight_bytes
