"""What only the planner makes: ANVIL_TABLE, and windows with EXPLICIT margins for a PAD.

No file can hold them, so that NumPy is the truth for the kernels, and PAD before the same
windows, or the table itself, is the truth for NumPy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Activation, Margins, Padding
from anvil.ops.registry import DEFINITIONS
from tests.support.kernel_harness import Case, check_kernels
from tests.support.networks import (
    Network,
    convolution_attributes,
    depthwise_attributes,
    pool_attributes,
)
from tests.support.platforms import Platform, each_platform
from tests.support.rewriting import values_of
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from pathlib import Path

MARGINS = [
    Margins(top=1, bottom=0, left=2, right=1),
    Margins(top=0, bottom=2, left=0, right=0),
    Margins(top=2, bottom=2, left=2, right=2),
]


def table_case() -> Case:
    values = np.arange(-128, 128).astype(np.int8).reshape(2, 128)
    table = np.random.default_rng(1).integers(-128, 128, 256).astype(np.int8)
    graph = one_op_graph(
        "ANVIL_TABLE",
        [
            activation("x", values.shape, scale=0.5, zero_point=3),
            constant("t", table, scales=[1.0]),
        ],
        [activation("y", values.shape, scale=0.25, zero_point=-4)],
    )
    return Case(name="ANVIL_TABLE", graph=graph, inputs=(values,))


def window_cases() -> list[Case]:
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")
    return [
        _window_case(kind, number, n_channels)
        for number in range(len(MARGINS))
        for kind in kinds
        for n_channels in (3, 16, 19)  # below, at and above the blocks of kernels for vectors
    ]


def _window_case(kind: str, number: int, n_channels: int) -> Case:
    margins = MARGINS[number]
    net = Network(7 + number)
    image = net.input((2, 6, 5, n_channels), zero_point=-128)
    explicit = {
        "padding": Padding.EXPLICIT,
        "margins": margins,
        "stride_h": 1 + number % 2,
        "activation": Activation.RELU,
    }
    if kind == "CONV_2D":
        n_outputs = 9 if n_channels == 16 else 4
        y = net.convolution(
            image, n_outputs=n_outputs, attributes=convolution_attributes(**explicit)
        )
    elif kind == "DEPTHWISE_CONV_2D":
        multiplier = 2 if n_channels == 3 else 1
        y = net.depthwise(
            image, multiplier=multiplier, attributes=depthwise_attributes(multiplier, **explicit)
        )
    else:
        window = pool_attributes(**(explicit | {"filter_h": 3, "filter_w": 4}))
        output = net.op(kind, [image], window)
        y = output
    graph = net.graph(y)
    values = random_array(graph.tensors[image], net.rng)
    return Case(name=f"{kind} {n_channels} {margins}", graph=graph, inputs=(values,))


CASES = [table_case(), *window_cases()]


@pytest.mark.parametrize("case", window_cases(), ids=lambda case: case.name)
def test_margins_are_a_pad_of_the_zero_point(case: Case) -> None:
    (op,) = case.graph.ops
    assert DEFINITIONS[op.kind].check(op, case.graph) == []
    margins = op.attributes.margins  # type: ignore[attr-defined]
    pads = np.array(
        [[0, 0], [margins.top, margins.bottom], [margins.left, margins.right], [0, 0]], np.int32
    )
    (image,) = case.graph.inputs
    source = case.graph.tensors[image]
    padded_shape = tuple(int(n) for n in np.array(source.shape) + pads.sum(axis=1))
    tensors = (
        *case.graph.tensors,
        constant("paddings", pads),
        replace(source, shape=padded_shape),
    )
    paddings, padded = len(tensors) - 2, len(tensors) - 1
    attributes = replace(op.attributes, padding=Padding.VALID, margins=Margins())  # type: ignore[type-var]
    two = replace(
        case.graph,
        tensors=tensors,
        ops=(
            replace(op, kind="PAD", inputs=(image, paddings), outputs=(padded,), attributes=None),
            replace(op, index=1, inputs=(padded, *op.inputs[1:]), attributes=attributes),
        ),
    )
    inputs = list(case.inputs)
    (result,) = case.graph.outputs
    np.testing.assert_array_equal(
        values_of(case.graph, inputs)[result], values_of(two, inputs)[result]
    )


def test_a_table_is_looked_up_by_value() -> None:
    case = table_case()
    table = np.frombuffer(case.graph.tensors[1].data or b"", np.int8)
    (values,) = case.inputs
    (result,) = case.graph.outputs
    found = values_of(case.graph, [values])[result].reshape(-1)
    assert found[128] == table[0]
    assert found[255] == table[127]
    assert found[0] == table[128]
    assert found[127] == table[255]


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    # What fits no explicit margins, such as 1x1 alone, is tested with its operator.
    check_kernels(platform, CASES, tmp_path, every_variant=False)
