from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Activation, ConcatenationAttributes
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.tensor import Tensor

QUANTIZATION = (0.1, 5)


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    return activation(name, shape, scale=QUANTIZATION[0], zero_point=QUANTIZATION[1])


def concatenation_case(name: str, tensors: list[Tensor], axis: int) -> Case:
    rng = np.random.default_rng(list(name.encode()))
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    graph = one_op_graph(
        "CONCATENATION",
        tensors,
        [tensor("y", tuple(shape))],
        ConcatenationAttributes(axis=axis, activation=Activation.NONE),
    )
    inputs = tuple(random_array(graph.tensors[index], rng) for index in graph.inputs)
    return Case(name=name, graph=graph, inputs=inputs)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    rank = seed % 5 + 1
    axis = int(rng.integers(-rank, rank))
    shape = rng.integers(1, 5, rank)
    tensors = []
    for position in range(int(rng.integers(1, 6))):
        shape[axis] = rng.integers(1, 6)
        tensors.append(tensor(f"x{position}", tuple(int(n) for n in shape)))
    return concatenation_case(f"random {seed}", tensors, axis)


A, B, C = tensor("a", (2, 3, 5, 7)), tensor("b", (2, 3, 5, 1)), tensor("c", (2, 3, 5, 4))
CONSTANT = constant(
    "constant",
    np.arange(60, dtype=np.int8).reshape(2, 3, 5, 2),
    scales=QUANTIZATION[:1],
    zero_points=QUANTIZATION[1:],
)
CASES = [
    concatenation_case("channels", [A, B, C], 3),
    concatenation_case("the last axis", [A, B, C], -1),
    concatenation_case("batches", [A, A], 0),
    concatenation_case("one input twice and another between", [A, B, A], 3),
    concatenation_case("one input", [A], 2),
    concatenation_case("a constant", [B, CONSTANT, C], 3),
    concatenation_case("many", [tensor(f"x{n}", (3, n + 1)) for n in range(17)], 1),
    *(random_case(seed) for seed in range(25)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
