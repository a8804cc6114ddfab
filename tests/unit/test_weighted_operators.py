"""Shapes and refusals of convolutions, fully connected layers and pools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import (
    Activation,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
    Padding,
    Pool2DAttributes,
)
from anvil.core.graph import Graph
from anvil.core.tensor import DType, Quantization
from anvil.ops.registry import DEFINITIONS
from tests.support.tflite_builder import activation, constant, one_op_graph

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor

CONV = Conv2DAttributes(
    padding=Padding.SAME,
    stride_h=2,
    stride_w=1,
    dilation_h=1,
    dilation_w=1,
    activation=Activation.NONE,
)
DEPTHWISE = DepthwiseConv2DAttributes(
    padding=Padding.VALID,
    stride_h=1,
    stride_w=2,
    dilation_h=2,
    dilation_w=1,
    depth_multiplier=2,
    activation=Activation.RELU,
)
POOL = Pool2DAttributes(
    padding=Padding.VALID,
    stride_h=2,
    stride_w=3,
    filter_h=2,
    filter_w=3,
    activation=Activation.NONE,
)
FLAT = FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False)


def ones(*shape: int, dtype: str = "int8") -> Any:  # noqa: ANN401  an array of any dtype
    return np.ones(shape, dtype=dtype)


def conv() -> Graph:
    return one_op_graph(
        "CONV_2D",
        [
            activation("x", (2, 5, 6, 4)),
            constant("w", ones(6, 3, 3, 2), scales=[0.1] * 6),
            constant("b", ones(6, dtype="int32"), scales=[0.1] * 6),
        ],
        [activation("y", (2, 3, 6, 6))],
        CONV,
    )


def depthwise() -> Graph:
    return one_op_graph(
        "DEPTHWISE_CONV_2D",
        [
            activation("x", (1, 7, 8, 3)),
            constant("w", ones(1, 3, 2, 6), scales=[0.1] * 6, axis=3),
            constant("b", ones(6, dtype="int32")),
        ],
        [activation("y", (1, 3, 4, 6))],
        DEPTHWISE,
    )


def fully_connected() -> Graph:
    return one_op_graph(
        "FULLY_CONNECTED",
        [activation("x", (2, 3, 4)), constant("w", ones(5, 12), scales=[0.1])],
        [activation("y", (2, 5))],
        FLAT,
    )


def pool(kind: str) -> Graph:
    return one_op_graph(
        kind, [activation("x", (1, 7, 8, 3))], [activation("y", (1, 3, 2, 3))], POOL
    )


GRAPHS = {
    "CONV_2D": conv(),
    "DEPTHWISE_CONV_2D": depthwise(),
    "FULLY_CONNECTED": fully_connected(),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
}


def with_tensor(graph: Graph, index: int, **changes: Any) -> Graph:  # noqa: ANN401  any field
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return replace(graph, tensors=tuple(tensors))


def with_constant(graph: Graph, index: int, array: Any, **quantization: Any) -> Graph:  # noqa: ANN401
    tensor: Tensor = constant(graph.tensors[index].name, array, **quantization)
    tensors = list(graph.tensors)
    tensors[index] = tensor
    return replace(graph, tensors=tuple(tensors))


def with_computed(graph: Graph, index: int) -> Graph:
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], data=None)
    return replace(graph, tensors=tuple(tensors), inputs=(*graph.inputs, index))


def with_op(graph: Graph, **changes: Any) -> Graph:  # noqa: ANN401  any field
    return replace(graph, ops=(replace(graph.ops[0], **changes),))


def check(graph: Graph) -> list[str]:
    (op,) = graph.ops
    return list(DEFINITIONS[op.kind].check(op, graph))


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_sound_use_is_accepted_and_its_shape_inferred(kind: str) -> None:
    graph = GRAPHS[kind]
    (op,) = graph.ops
    definition = DEFINITIONS[kind]
    assert check(graph) == []
    assert definition.infer_shapes(op, graph) == (graph.tensors[op.outputs[0]].shape,)


@pytest.mark.parametrize(
    ("kind", "n_macs"),
    [
        ("CONV_2D", 2 * 3 * 6 * 6 * 3 * 3 * 2),
        ("DEPTHWISE_CONV_2D", 3 * 4 * 6 * 3 * 2),
        ("FULLY_CONNECTED", 2 * 5 * 12),
        ("AVERAGE_POOL_2D", 0),
    ],
)
def test_multiply_accumulates_count_the_padding(kind: str, n_macs: int) -> None:
    graph = GRAPHS[kind]
    (op,) = graph.ops
    (call,) = DEFINITIONS[kind].lower(op, graph)
    assert call.n_macs == n_macs


def test_all_axes_may_be_kept() -> None:
    graph = one_op_graph(
        "FULLY_CONNECTED",
        [activation("x", (2, 3, 4)), constant("w", ones(5, 4), scales=[0.1])],
        [activation("y", (2, 3, 5))],
        FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=True),
    )
    assert check(graph) == []
    assert DEFINITIONS["FULLY_CONNECTED"].infer_shapes(graph.ops[0], graph) == ((2, 3, 5),)


def test_the_zero_point_goes_into_the_bias_of_a_fully_connected_layer() -> None:
    graph = with_tensor(
        fully_connected(), 0, quantization=Quantization(scales=(1.0,), zero_points=(-7,))
    )
    (call,) = DEFINITIONS["FULLY_CONNECTED"].lower(graph.ops[0], graph)
    bias = next(c for c in call.constants if c.name == "bias")
    assert np.frombuffer(bias.data, "<i4").tolist() == [84] * 5


TWO = Quantization(scales=(0.5, 0.5), zero_points=(0, 0))
REFUSED = {
    "uint8 input": (with_tensor(conv(), 0, dtype=DType.UINT8), "'x' is uint8; int8, int16 and"),
    "float input": (with_tensor(conv(), 0, dtype=DType.FLOAT32), "'w' is int8; float32"),
    "input without a scale": (with_tensor(conv(), 0, quantization=None), "without quantization"),
    "input with two scales": (with_tensor(conv(), 0, quantization=TWO), "has 2 scales"),
    "int16 output": (with_tensor(conv(), 3, dtype=DType.INT16), "output 'y' is int16"),
    "flat image": (with_tensor(conv(), 0, shape=(2, 5, 24)), "shape [2, 5, 24]; 4 axes"),
    "computed weights": (
        with_computed(conv(), 1),
        "'w' is computed at run time",
    ),
    "float weights": (
        with_constant(conv(), 1, ones(6, 3, 3, 2, dtype="float32"), scales=[0.1]),
        "weights 'w' is float32",
    ),
    "three scales for six channels": (
        with_constant(conv(), 1, ones(6, 3, 3, 2), scales=[0.1] * 3),
        "have 3 scales",
    ),
    "scales along another axis": (
        with_constant(depthwise(), 1, ones(1, 3, 2, 6), scales=[0.1] * 6, axis=0),
        "along axis 0; axis 3",
    ),
    "a zero point of the weights": (
        with_constant(conv(), 1, ones(6, 3, 3, 2), scales=[0.1], zero_points=[3]),
        "have zero point 3",
    ),
    "computed bias": (
        with_computed(conv(), 2),
        "'b' is computed at run time",
    ),
    "int64 bias": (with_constant(conv(), 2, ones(6, dtype="int64")), "bias 'b' is int64"),
    "short bias": (with_constant(conv(), 2, ones(5, dtype="int32")), "'b' has 5 values"),
    "no weights": (with_op(conv(), inputs=(0,)), "it has 1 inputs of 1 given"),
    "channels that do not divide": (
        with_constant(conv(), 1, ones(6, 3, 3, 3), scales=[0.1]),
        "input has 4 channels and each filter 3",
    ),
    "outputs that do not divide": (
        with_constant(with_op(conv(), inputs=(0, 1)), 1, ones(5, 3, 3, 2), scales=[0.1]),
        "5 output channels cannot be shared among 2 groups",
    ),
    "stride 0": (with_op(conv(), attributes=replace(CONV, stride_h=0)), "stride along the height"),
    "dilation 0": (
        with_op(conv(), attributes=replace(CONV, dilation_w=0)),
        "dilation along the width is 0",
    ),
    "filter beyond the image": (
        with_op(depthwise(), attributes=replace(DEPTHWISE, dilation_h=4)),
        "reaches over 9 pixels along the height, and the image has 7",
    ),
    "declared shape": (
        with_tensor(conv(), 3, shape=(2, 3, 6, 7)),
        "has shape [2, 3, 6, 7], and its inputs give [2, 3, 6, 6]",
    ),
    "huge multiplier": (
        with_constant(conv(), 1, ones(6, 3, 3, 2), scales=[2.0**31]),
        "less than 2^30",
    ),
    "depthwise weights of two filters": (
        with_constant(depthwise(), 1, ones(2, 3, 2, 6), scales=[0.1]),
        "the first extent must be 1",
    ),
    "depthwise channels": (
        with_tensor(depthwise(), 0, shape=(1, 7, 8, 4)),
        "4 input channels and 6 output channels",
    ),
    "depth multiplier": (
        with_op(depthwise(), attributes=replace(DEPTHWISE, depth_multiplier=3)),
        "its depth multiplier is 3",
    ),
    "weights of rank 4": (
        with_constant(fully_connected(), 1, ones(5, 1, 1, 12), scales=[0.1]),
        "shape [5, 1, 1, 12]; 2 axes",
    ),
    "input that does not divide": (
        with_constant(fully_connected(), 1, ones(5, 7), scales=[0.1]),
        "has 24 values; they must be a multiple of the 7",
    ),
    "last axis is not the depth": (
        with_op(fully_connected(), attributes=replace(FLAT, keep_num_dims=True)),
        "the last extent must be the 12",
    ),
    "sums out of 32 bits": (
        with_constant(fully_connected(), 1, ones(5, 12), scales=[2.0**21]),
        "its sums reach 1536",
    ),
    "pool of another scale": (
        with_tensor(
            pool("MAX_POOL_2D"),
            1,
            quantization=Quantization(scales=(0.5,), zero_points=(0,)),
        ),
        "they must be equal",
    ),
    "pool of two inputs": (
        with_op(pool("AVERAGE_POOL_2D"), inputs=(0, 0)),
        "it has 2 inputs",
    ),
    "pool of a vector": (
        with_tensor(pool("AVERAGE_POOL_2D"), 0, shape=(3,)),
        "shape [3]; 4 axes",
    ),
    "pool with an empty window": (
        with_op(pool("AVERAGE_POOL_2D"), attributes=replace(POOL, filter_w=0)),
        "filter along the width is 0",
    ),
}


@pytest.mark.parametrize(("graph", "part"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_and_how_it_is_said(graph: Graph, part: str) -> None:
    assert any(part in problem for problem in check(graph)), check(graph)


def test_all_that_is_wrong_is_said_at_once() -> None:
    graph = with_tensor(conv(), 0, quantization=None)
    graph = with_tensor(graph, 3, dtype=DType.INT16)
    graph = with_constant(graph, 2, ones(5, dtype="int32"))
    assert len(check(with_op(graph, attributes=replace(CONV, stride_w=0)))) == 4


def test_attributes_of_another_kind_are_a_mistake_of_the_importer() -> None:
    graph = with_op(conv(), attributes=POOL)
    with pytest.raises(TypeError, match="Conv2DAttributes"):
        check(graph)
