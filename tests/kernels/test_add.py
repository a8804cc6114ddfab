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


def add_case(
    name: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    *,
    scales: Scales = (0.05, 0.07, 0.11),
    zero_points: tuple[int, int, int] = (3, -5, 7),
    act: Activation = Activation.NONE,
    second_is_constant: bool = False,
) -> Case:
    rng = np.random.default_rng(list(name.encode()))
    first = activation("first", shapes[0], scale=scales[0], zero_point=zero_points[0])
    second: Tensor = activation("second", shapes[1], scale=scales[1], zero_point=zero_points[1])
    if second_is_constant:
        values = random_array(second, rng)
        second = constant("second", values, scales=scales[1:2], zero_points=zero_points[1:2])
    shape = broadcast_shape(*shapes)
    assert shape is not None
    output = activation("output", shape, scale=scales[2], zero_point=zero_points[2])
    graph = one_op_graph("ADD", [first, second], [output], ArithmeticAttributes(activation=act))
    inputs = tuple(random_array(graph.tensors[index], rng) for index in graph.inputs)
    return Case(name=name, graph=graph, inputs=inputs)


def add_to_itself() -> Case:
    tensor = activation("x", (257,), scale=0.3, zero_point=-128)
    output = activation("y", (257,), scale=0.61, zero_point=127)
    graph = one_op_graph(
        "ADD", [tensor, tensor], [output], ArithmeticAttributes(activation=Activation.NONE)
    )
    return Case(name="to itself", graph=graph, inputs=(np.arange(257).astype(np.int8),))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(-4, 1)
    return add_case(
        f"random {seed}",
        ((37,), (37,)),
        scales=(scale * 10 ** rng.uniform(-1.5, 1.5), scale, scale * 10 ** rng.uniform(-1, 2)),
        zero_points=tuple(rng.integers(-128, 128, 3).tolist()),
        act=list(Activation)[seed % 4],
    )


CASES = [
    add_case("equal shapes", ((2, 3, 5, 7), (2, 3, 5, 7))),
    add_case("one element", ((1, 1, 1, 1), (1, 1, 1, 1))),
    add_case("scalars", ((), ())),
    add_case("a scalar operand", ((2, 3, 5), ())),
    add_case("one per channel", ((2, 3, 5, 7), (7,)), second_is_constant=True),
    add_case("one per pixel", ((2, 3, 5, 7), (2, 3, 5, 1))),
    add_case("both repeat", ((2, 1, 5, 1), (3, 1, 7))),
    add_case("rows and columns", ((17, 1), (1, 13))),
    add_case("rank 8, every other axis", ((2, 1, 3, 1, 2, 1, 2, 1), (3, 1, 2, 1, 5, 1, 2))),
    add_case("rank 7, equal shapes", ((1, 2, 1, 3, 1, 2, 1), (1, 2, 1, 3, 1, 2, 1))),
    add_case("extreme zero points", ((251,), (251,)), zero_points=(-128, 127, -128)),
    add_case("scales far apart", ((251,), (251,)), scales=(1e-6, 10.0, 10.0)),
    add_case("a scale flushed to zero", ((251,), (251,)), scales=(1e-12, 10.0, 10.0)),
    add_case("output scale just large enough", ((251,), (251,)), scales=(1.0, 1.0, 2.0**-18)),
    add_case("relu", ((251,), (251,)), act=Activation.RELU),
    add_case("relu6", ((251,), (251,)), act=Activation.RELU6),
    add_case("relu -1 to 1", ((251,), (251,)), act=Activation.RELU_N1_TO_1),
    add_to_itself(),
    *(random_case(seed) for seed in range(40)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
