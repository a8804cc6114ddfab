"""Which channels are cut, and which must stay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import (
    Activation,
    Conv2DAttributes,
    Margins,
    MeanAttributes,
    Padding,
)
from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType, Tensor
from anvil.ops.registry import DEFINITIONS
from anvil.plan.rewrites.rewrite import rewrite
from tests.support.networks import (
    Network,
    convolution_attributes,
    depthwise_attributes,
    pool_attributes,
)
from tests.support.rewriting import assert_same_bits, inferences, rewritten_alone
from tests.support.tflite_builder import activation, constant

if TYPE_CHECKING:
    from anvil.core.rewrite import Rewritten


def applied(graph: Graph, *names: str) -> Rewritten:
    """The graph after these rewrites alone, its bits compared."""
    rewritten = rewritten_alone(graph, *names)
    assert_same_bits(graph, rewritten, inferences(graph, 0))
    return rewritten


def with_weights(graph: Graph, op: int, values: np.ndarray[Any, Any], operand: int = 1) -> Graph:
    """The graph with another constant in place of an operator's weights or bias."""
    index = graph.ops[op].inputs[operand]
    tensors = list(graph.tensors)
    tensors[index] = replace(
        tensors[index],
        data=np.ascontiguousarray(values, dtype=tensors[index].dtype.value).tobytes(),
    )
    return replace(graph, tensors=tuple(tensors))


def one_layer(padding: Padding, *, window: int, value: int, zero_point: int) -> Graph:
    """A 1x1 convolution whose channel 1 is always `value`, and a second one that reads it."""
    net = Network(22)
    x = net.input((1, 5, 5, 2))
    y = net.convolution(x, n_outputs=3, filter_size=(1, 1), attributes=convolution_attributes())
    tensors = net.tensors
    tensors[y] = replace(
        tensors[y],
        quantization=activation("q", (1,), scale=0.5, zero_point=zero_point).quantization,
    )
    z = net.convolution(
        y,
        n_outputs=4,
        filter_size=(window, window),
        attributes=convolution_attributes(padding=padding),
    )
    graph = net.graph(z)
    weights = net.int8(3, 1, 1, 2)
    weights[1] = 0
    scale = tensors[graph.ops[0].inputs[2]].quantization
    assert scale is not None
    bias = np.array([5, round((value - zero_point) * 0.5 / scale.scales[1]), -7])
    return with_weights(with_weights(graph, 0, weights), 0, bias, operand=2)


def test_a_constant_channel_goes_into_the_bias() -> None:
    graph = one_layer(Padding.VALID, window=3, value=30, zero_point=-100)
    rewritten = applied(graph, "dead_channels")
    first, second = rewritten.graph.ops
    assert rewritten.graph.tensors[first.inputs[1]].shape == (2, 1, 1, 2)
    assert rewritten.graph.tensors[second.inputs[1]].shape == (4, 3, 3, 2)
    origin = rewritten.origins[first.outputs[0]]
    assert origin is not None
    assert origin.channels == (0, 2)
    assert [channel for channel, _ in origin.constants] == [1]


def test_a_constant_channel_stays_where_it_meets_a_border() -> None:
    graph = one_layer(Padding.SAME, window=3, value=30, zero_point=-100)
    assert rewrite(graph, DEFINITIONS).graph == graph
    # The zero point is what lies beyond the border, too.
    graph = one_layer(Padding.SAME, window=3, value=-100, zero_point=-100)
    assert applied(graph, "dead_channels").applied[0].n_applied == 1


def test_a_channel_that_a_clamp_holds_is_constant() -> None:
    net = Network(23)
    y = net.convolution(
        net.input((1, 4, 4, 2), zero_point=0),
        n_outputs=3,
        filter_size=(1, 1),
        attributes=convolution_attributes(activation=Activation.RELU),
    )
    z = net.convolution(y, n_outputs=2, filter_size=(1, 1))
    graph = net.graph(z)
    bias = np.array([0, -(127 + 128) * 2 * 128, 0])
    rewritten = applied(with_weights(graph, 0, bias, operand=2), "dead_channels")
    assert rewritten.applied[0].n_applied == 1


def test_a_dead_channel_takes_everything_before_it_along() -> None:
    net = Network(24)
    x = net.input((1, 6, 6, 2))
    y = net.convolution(x, n_outputs=4)
    z = net.depthwise(net.op("MAX_POOL_2D", [y], pool_attributes()))
    z = net.op(
        "MEAN", [z, net.constant(np.array([1, 2], np.int32))], MeanAttributes(keep_dims=False)
    )
    z = net.fully_connected(z, n_outputs=2)
    graph = net.graph(z)
    weights = net.int8(2, 4)
    weights[:, 2] = 0
    rewritten = applied(with_weights(graph, len(graph.ops) - 1, weights), "dead_channels").graph
    assert [rewritten.tensors[op.outputs[0]].shape[-1] for op in rewritten.ops] == [3, 3, 3, 3, 2]


def test_a_sum_needs_a_channel_in_both_operands() -> None:
    net = Network(25)
    x = net.input((1, 3, 3, 4))
    one = net.convolution(x, n_outputs=4, filter_size=(1, 1))
    other = net.convolution(x, n_outputs=4, filter_size=(1, 1))
    z = net.convolution(net.arithmetic("ADD", one, other), n_outputs=2, filter_size=(1, 1))
    graph = net.graph(z)
    weights = net.int8(4, 1, 1, 4)
    weights[3] = 0
    # One operand's channel is constant, and the sum is not.
    assert rewrite(with_weights(graph, 0, weights), DEFINITIONS).applied == ()
    weights = net.int8(2, 1, 1, 4)
    weights[..., 3] = 0
    rewritten = applied(with_weights(graph, 3, weights), "dead_channels").graph
    assert [rewritten.tensors[op.outputs[0]].shape[-1] for op in rewritten.ops] == [3, 3, 3, 2]


def test_sums_that_wrap_around_keep_their_bits() -> None:
    graph = one_layer(Padding.VALID, window=1, value=100, zero_point=-128)
    bias = np.array([2**31 - 1, -(2**31), 2**31 - 1000, 12])
    rewritten = applied(with_weights(graph, 1, bias, operand=2), "dead_channels")
    assert rewritten.applied[0].n_applied == 1


def test_grouped_convolutions_are_left_alone() -> None:
    net = Network(26)
    x = net.input((1, 5, 5, 4))
    y = net.convolution(x, n_outputs=4, n_groups=2)
    z = net.convolution(y, n_outputs=2, n_groups=2)
    graph = net.graph(z)
    weights = np.zeros((4, 3, 3, 2), np.int8)
    assert rewrite(with_weights(graph, 0, weights), DEFINITIONS).graph.ops == graph.ops


def test_a_tensor_keeps_a_channel() -> None:
    net = Network(27)
    y = net.convolution(net.input((1, 3, 3, 2)), n_outputs=3, filter_size=(1, 1))
    z = net.convolution(y, n_outputs=2, filter_size=(1, 1))
    graph = net.graph(z)
    rewritten = applied(with_weights(graph, 1, np.zeros((2, 1, 1, 3))), "dead_channels").graph
    assert rewritten.tensors[rewritten.ops[0].outputs[0]].shape == (1, 3, 3, 1)


def test_attributes_of_files_have_no_margins() -> None:
    attributes = convolution_attributes()
    assert isinstance(attributes, Conv2DAttributes)
    assert attributes.margins == Margins()


def int16_graph(seed: int, *, has_wide_sums: bool) -> Graph:
    """1x1, depthwise and 3x3 convolutions on int16, with dead and constant channels."""
    rng = np.random.default_rng(seed)
    bias_type = np.int64 if has_wide_sums else np.int32
    attributes: dict[str, Any] = {"activation": Activation.RELU}
    declared = DType.INT64 if has_wide_sums else DType.INT32

    def weighted(name: str, shape: tuple[int, ...], axis: int) -> tuple[Tensor, Tensor]:
        values = rng.integers(-127, 128, shape).astype(np.int8)
        by_output = np.moveaxis(values, axis, 0)
        by_output[rng.random(len(by_output)) < 0.4] = 0
        n_outputs = shape[axis]
        scales = rng.uniform(0.003, 0.01, n_outputs).tolist()
        biases = rng.integers(-(2**18), 2**18, n_outputs)
        is_wide = has_wide_sums or name == "depthwise"
        return (
            constant(name, values, scales=scales, axis=axis),
            constant(
                f"{name}/bias",
                biases.astype(np.int64 if is_wide else bias_type),
                scales=[0.001 * scale for scale in scales],
            ),
        )

    def tensor(name: str, n_channels: int) -> Tensor:
        return activation(name, (1, 5, 6, n_channels), dtype=DType.INT16, scale=0.001)

    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D")
    shapes = ((6, 1, 1, 3), (1, 3, 3, 6), (4, 3, 3, 6))
    tensors = [tensor("x", 3)]
    ops = []
    for index, (kind, shape) in enumerate(zip(kinds, shapes, strict=True)):
        axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
        tensors += weighted("depthwise" if axis else f"filter {index}", shape, axis)
        tensors.append(tensor(f"y {index}", shape[axis]))
        last = len(tensors) - 1
        ops.append(
            Op(
                index=index,
                kind=kind,
                inputs=(max(0, last - 3), last - 2, last - 1),
                outputs=(last,),
                attributes=depthwise_attributes(**attributes)
                if axis
                else convolution_attributes(bias_dtype=declared, **attributes),
            )
        )
    return Graph(tensors=tuple(tensors), ops=tuple(ops), inputs=(0,), outputs=(len(tensors) - 1,))


@pytest.mark.parametrize("has_wide_sums", [True, False])
def test_channels_of_int16_are_cut_too(has_wide_sums: bool) -> None:  # noqa: FBT001
    n_cut = 0
    for seed in range(12):
        graph = int16_graph(seed, has_wide_sums=has_wide_sums)
        for op in graph.ops:
            assert not DEFINITIONS[op.kind].check(op, graph)
        rewritten = rewrite(graph, DEFINITIONS)
        assert_same_bits(graph, rewritten, inferences(graph, seed))
        n_cut += sum(one.n_applied for one in rewritten.applied)
    assert n_cut > 12
