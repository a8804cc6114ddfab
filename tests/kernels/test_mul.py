from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Activation, ArithmeticAttributes
from anvil.ops.broadcast import broadcast_shape
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.tensor import Tensor

Scales = tuple[float, float, float]


def mul_case(
    name: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    *,
    scales: Scales = (0.05, 0.07, 0.11),
    zero_points: tuple[int, int, int] = (3, -5, 7),
    act: Activation = Activation.NONE,
    first_is_constant: bool = False,
) -> Case:
    rng = np.random.default_rng(list(name.encode()))
    first: Tensor = activation("first", shapes[0], scale=scales[0], zero_point=zero_points[0])
    if first_is_constant:
        values = random_array(first, rng)
        first = constant("first", values, scales=scales[:1], zero_points=zero_points[:1])
    second = activation("second", shapes[1], scale=scales[1], zero_point=zero_points[1])
    shape = broadcast_shape(*shapes)
    assert shape is not None
    output = activation("output", shape, scale=scales[2], zero_point=zero_points[2])
    graph = one_op_graph("MUL", [first, second], [output], ArithmeticAttributes(activation=act))
    inputs = tuple(random_array(graph.tensors[index], rng) for index in graph.inputs)
    return Case(name=name, graph=graph, inputs=inputs)


def every_pair() -> Case:
    """Each int8 value times each other: extreme products included."""
    column = activation("column", (256, 1), scale=0.05, zero_point=127)
    row = activation("row", (1, 256), scale=0.03, zero_point=-128)
    output = activation("output", (256, 256), scale=0.4, zero_point=1)
    graph = one_op_graph(
        "MUL", [column, row], [output], ArithmeticAttributes(activation=Activation.NONE)
    )
    values = np.arange(-128, 128).astype(np.int8)
    return Case(name="every pair", graph=graph, inputs=(values[:, None], values[None, :]))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    first, second = 10 ** rng.uniform(-4, 1, 2)
    return mul_case(
        f"random {seed}",
        ((37,), (37,)),
        scales=(first, second, first * second * 10 ** rng.uniform(0, 4)),
        zero_points=tuple(rng.integers(-128, 128, 3).tolist()),
        act=list(Activation)[seed % 4],
    )


CASES = [
    mul_case("equal shapes", ((2, 3, 5, 7), (2, 3, 5, 7))),
    mul_case("scalars", ((), ())),
    mul_case("one per channel", ((7,), (2, 3, 5, 7)), first_is_constant=True),
    mul_case("one per image and channel", ((2, 1, 1, 7), (2, 3, 5, 7))),
    mul_case("rank 8, every other axis", ((2, 1, 3, 1, 2, 1, 2, 1), (3, 1, 2, 1, 5, 1, 2))),
    mul_case("a multiplier above 1", ((251,), (251,)), scales=(2.0, 3.0, 1.0)),
    mul_case("the greatest shift", ((251,), (251,)), scales=(128.0, 128.0, 0.75)),
    mul_case("a multiplier flushed to zero", ((251,), (251,)), scales=(1e-6, 1e-6, 1.0)),
    mul_case("relu", ((251,), (251,)), act=Activation.RELU),
    mul_case("relu6", ((251,), (251,)), act=Activation.RELU6),
    mul_case("relu -1 to 1", ((251,), (251,)), act=Activation.RELU_N1_TO_1),
    every_pair(),
    *(random_case(seed) for seed in range(40)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
