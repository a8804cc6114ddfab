"""What each rewrite finds, and what it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import (
    Activation,
    FullyConnectedAttributes,
    Padding,
    SoftmaxAttributes,
)
from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType, Tensor
from anvil.ops.registry import DEFINITIONS
from anvil.plan.rewrites.rewrite import rewrite
from tests.support.networks import (
    Network,
    concatenation_attributes,
    convolution_attributes,
    depthwise_attributes,
    pool_attributes,
)
from tests.support.rewriting import assert_same_bits, inferences, rewritten_alone
from tests.support.tflite_builder import activation, constant

if TYPE_CHECKING:
    from anvil.core.rewrite import Rewritten


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def applied(graph: Graph, *names: str) -> Rewritten:
    """The graph after these rewrites alone, its bits compared."""
    rewritten = rewritten_alone(graph, *names)
    assert_same_bits(graph, rewritten, inferences(graph, 0))
    return rewritten


# unused, constants, common


def test_what_nothing_reads_is_removed_with_what_only_it_reads() -> None:
    net = Network(1)
    x = net.input((1, 6))
    net.op("RELU", [net.op("LOGISTIC", [x])])
    y = net.op("RELU6", [x])
    rewritten = applied(net.graph(y), "unused")
    assert kinds(rewritten.graph) == ["RELU6"]
    assert rewritten.graph.ops[0].index == 2
    assert rewritten.applied[0].ops_saved == 2


def test_what_reads_constants_alone_becomes_one() -> None:
    net = Network(2)
    x = net.input((2, 3))
    two = net.constant(net.int8(1, 3), scales=[0.1], zero_point=3)
    z = net.arithmetic("MUL", net.op("RELU", [two]), two)
    rewritten = applied(net.graph(net.arithmetic("ADD", x, z)), "constants")
    assert kinds(rewritten.graph) == ["ADD"]
    (folded,) = (i for i in rewritten.graph.ops[0].inputs if i != rewritten.graph.inputs[0])
    origin = rewritten.origins[folded]
    assert origin is not None
    assert origin.tensor == z


def test_an_output_of_the_model_stays_computed() -> None:
    net = Network(3)
    x = net.input((2, 3))
    constant_output = net.op("RELU", [net.constant(net.int8(1, 3), scales=[0.1])])
    graph = net.graph(constant_output, net.op("RELU", [x]))
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_half_precision_weights_are_not_widened() -> None:
    halves = constant("w", np.arange(6, dtype=np.float16).reshape(2, 3))
    tensors = (
        activation("x", (1, 3), dtype=DType.FLOAT32, scale=None),
        halves,
        activation("wide", (2, 3), dtype=DType.FLOAT32, scale=None),
        activation("y", (1, 2), dtype=DType.FLOAT32, scale=None),
    )
    dense = FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False)
    graph = Graph(
        tensors=tensors,
        ops=(
            Op(index=0, kind="DEQUANTIZE", inputs=(1,), outputs=(2,)),
            Op(index=1, kind="FULLY_CONNECTED", inputs=(0, 2), outputs=(3,), attributes=dense),
        ),
        inputs=(0,),
        outputs=(3,),
    )
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_the_same_twice_is_computed_once() -> None:
    net = Network(4)
    x = net.input((1, 5))
    one = net.op("RELU", [x], scale=0.1, zero_point=0)
    two = net.op("RELU", [x], scale=0.1, zero_point=0)
    other = net.op("RELU", [x], scale=0.2, zero_point=0)
    y = net.arithmetic("ADD", net.arithmetic("ADD", one, two), other)
    assert kinds(applied(net.graph(y), "common").graph) == ["RELU", "RELU", "ADD", "ADD"]
    # An output of the model takes the place of the one that is none; two outputs both stay.
    assert kinds(applied(net.graph(y, two), "common").graph).count("RELU") == 2
    assert kinds(applied(net.graph(y, one, two), "common").graph).count("RELU") == 3


# chains


def test_operators_that_change_nothing_are_removed() -> None:
    net = Network(5)
    x = net.input((1, 4, 4, 2), scale=0.25, zero_point=3)
    y = net.op("PAD", [x, net.constant(np.zeros((4, 2), np.int32))])
    y = net.op("CONCATENATION", [y], concatenation_attributes(-1))
    y = net.op("MAX_POOL_2D", [y], pool_attributes(filter_h=1, filter_w=1, stride_h=1, stride_w=1))
    y = net.quantize(y, 0.25, 3)
    y = net.reshape(y, (1, 4, 4, 2))
    y = net.op("SOFTMAX", [y], _softmax())
    assert kinds(applied(net.graph(y), "chains").graph) == ["SOFTMAX"]


def _softmax() -> object:
    return SoftmaxAttributes(beta=1.0)


def test_a_chain_of_reshapes_is_one() -> None:
    net = Network(6)
    x = net.input((2, 6))
    y = net.reshape(net.reshape(net.reshape(x, (3, 4)), (12,)), (4, 3))
    one = net.op("RELU", [y])
    assert kinds(applied(net.graph(one), "chains").graph) == ["RESHAPE", "RELU"]
    back = net.op("RELU", [net.reshape(y, (2, 6))])
    found = kinds(applied(net.graph(one, back), "chains").graph)
    assert found == ["RESHAPE", "RELU", "RELU"]


def test_a_round_trip_through_floats_is_removed_where_it_gives_every_value_back() -> None:
    net = Network(7)
    x = net.input((1, 8), scale=0.1, zero_point=-7)
    same = net.quantize(net.op("DEQUANTIZE", [x]), 0.1, -7)
    other = net.quantize(net.op("DEQUANTIZE", [x]), 0.1, -6)
    y = net.arithmetic("ADD", same, other)
    found = kinds(applied(net.graph(y), "chains", "unused").graph)
    assert found == ["DEQUANTIZE", "QUANTIZE", "ADD"]


def test_an_identity_between_ports_stays() -> None:
    net = Network(8)
    x = net.input((1, 8), scale=0.1, zero_point=-7)
    graph = net.graph(net.quantize(x, 0.1, -7))
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_an_identity_before_an_output_hands_its_output_on() -> None:
    net = Network(9)
    x = net.op("RELU", [net.input((1, 8))], scale=0.1, zero_point=-7)
    y = net.quantize(x, 0.1, -7, name="the output")
    z = net.op("LOGISTIC", [x])
    rewritten = applied(net.graph(y, z), "chains")
    assert kinds(rewritten.graph) == ["RELU", "LOGISTIC"]
    assert rewritten.graph.tensors[rewritten.graph.outputs[0]].name == "the output"


# pad


def padded_network(reader: str, padding: Padding = Padding.VALID, zero_point: int = 5) -> Graph:
    net = Network(10)
    x = net.input((1, 7, 6, 3), zero_point=zero_point)
    paddings = net.constant(np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32))
    y = net.op("PAD", [x, paddings])
    match reader:
        case "CONV_2D":
            y = net.convolution(
                y, n_outputs=2, attributes=convolution_attributes(padding=padding, stride_h=2)
            )
        case "DEPTHWISE_CONV_2D":
            y = net.depthwise(y, attributes=depthwise_attributes(padding=padding))
        case _:
            y = net.op(reader, [y], pool_attributes(padding=padding, filter_h=3, filter_w=3))
    return net.graph(y)


@pytest.mark.parametrize("reader", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_a_pad_becomes_margins(reader: str) -> None:
    rewritten = applied(padded_network(reader), "pad").graph
    assert kinds(rewritten) == [reader]
    attributes: Any = rewritten.ops[0].attributes
    assert attributes.padding is Padding.EXPLICIT
    assert (attributes.margins.top, attributes.margins.left) == (1, 2)


def test_margins_beyond_the_filter_stay_a_pad() -> None:
    # SAME adds a margin to two pixels of the PAD, and the filter has three.
    assert kinds(applied(padded_network("CONV_2D", Padding.SAME), "pad").graph) == [
        "PAD",
        "CONV_2D",
    ]


def test_a_max_pool_takes_a_pad_that_never_wins() -> None:
    assert kinds(applied(padded_network("MAX_POOL_2D", zero_point=-128), "pad").graph) == [
        "MAX_POOL_2D"
    ]
    assert kinds(applied(padded_network("MAX_POOL_2D", zero_point=5), "pad").graph) == [
        "PAD",
        "MAX_POOL_2D",
    ]
    net = Network(11)
    x = net.input((1, 5, 5, 2), scale=0.1, zero_point=0)
    # After a RELU nothing lies below the zero point.
    y = net.op("RELU", [x], scale=0.1, zero_point=20)
    paddings = net.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    y = net.op("MAX_POOL_2D", [net.op("PAD", [y, paddings])], pool_attributes())
    assert kinds(applied(net.graph(y), "pad").graph) == ["RELU", "MAX_POOL_2D"]


def test_an_average_pool_keeps_its_pad() -> None:
    graph = padded_network("AVERAGE_POOL_2D")
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_a_pad_that_something_else_reads_stays() -> None:
    graph = padded_network("CONV_2D")
    graph = replace(graph, outputs=(*graph.outputs, graph.ops[0].outputs[0]))
    assert rewrite(graph, DEFINITIONS).graph == graph


@pytest.mark.parametrize("weight", [1.5, np.inf])
def test_a_pad_of_floats_becomes_margins_where_weights_are_finite(weight: float) -> None:
    def real(name: str, shape: tuple[int, ...]) -> Tensor:
        return activation(name, shape, dtype=DType.FLOAT32, scale=None)

    paddings = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    filters = np.random.default_rng(1).normal(size=(2, 3, 3, 2)).astype(np.float32)
    filters[0, 0, 0, 0] = weight
    graph = Graph(
        tensors=(
            real("x", (1, 4, 4, 2)),
            constant("p", paddings),
            real("padded", (1, 6, 6, 2)),
            constant("w", filters),
            real("y", (1, 4, 4, 2)),
        ),
        ops=(
            Op(index=0, kind="PAD", inputs=(0, 1), outputs=(2,)),
            Op(
                index=1,
                kind="CONV_2D",
                inputs=(2, 3),
                outputs=(4,),
                attributes=convolution_attributes(padding=Padding.VALID),
            ),
        ),
        inputs=(0,),
        outputs=(4,),
    )
    found = kinds(rewrite(graph, DEFINITIONS).graph)
    assert found == (["CONV_2D"] if np.isfinite(weight) else ["PAD", "CONV_2D"])
    if np.isfinite(weight):
        applied(graph, "pad")


# activations


@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
@pytest.mark.parametrize("fused", [Activation.NONE, Activation.RELU, Activation.RELU6])
def test_an_activation_becomes_the_clamp_before_it(kind: str, fused: Activation) -> None:
    net = Network(12)
    x = net.input((1, 5, 5, 2), scale=0.05, zero_point=-3)
    y = net.convolution(x, n_outputs=3, attributes=convolution_attributes(activation=fused))
    scale, zero_point = net.quantization(y)
    y = net.op(kind, [y], scale=scale, zero_point=zero_point)
    rewritten = applied(net.graph(y), "activations")
    assert kinds(rewritten.graph) == ["CONV_2D"]
    assert rewritten.graph.ops[0].index == 0


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_sums_and_products_take_an_activation(kind: str) -> None:
    net = Network(13)
    x, other = net.input((1, 5)), net.input((1, 5))
    y = net.arithmetic(kind, x, other)
    y = net.op("RELU", [y], scale=net.quantization(y)[0], zero_point=net.quantization(y)[1])
    assert kinds(applied(net.graph(y), "activations").graph) == [kind]


def test_an_activation_that_rescales_stays() -> None:
    net = Network(14)
    y = net.convolution(net.input((1, 5, 5, 2)), n_outputs=3)
    graph = net.graph(net.op("RELU", [y], scale=net.quantization(y)[0] * 1.5, zero_point=0))
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_an_activation_whose_input_is_read_elsewhere_stays() -> None:
    net = Network(15)
    y = net.convolution(net.input((1, 5, 5, 2)), n_outputs=3)
    scale, zero_point = net.quantization(y)
    clamped = net.op("RELU", [y], scale=scale, zero_point=zero_point)
    graph = net.graph(net.arithmetic("ADD", y, clamped))
    assert kinds(applied(graph, "activations").graph) == ["CONV_2D", "RELU", "ADD"]


def test_an_activation_that_never_clamps_is_removed() -> None:
    net = Network(16)
    y = net.op("LOGISTIC", [net.input((1, 6))])
    y = net.op("RELU6", [y], scale=1 / 256, zero_point=-128)
    y = net.op("SOFTMAX", [y], _softmax())
    assert kinds(applied(net.graph(y), "activations").graph) == ["LOGISTIC", "SOFTMAX"]


def test_floats_take_an_activation_too() -> None:
    real = {"dtype": DType.FLOAT32, "scale": None}
    rng = np.random.default_rng(17)
    graph = Graph(
        tensors=(
            activation("x", (1, 5), **real),  # type: ignore[arg-type]
            constant("w", rng.normal(size=(4, 5)).astype(np.float32)),
            activation("sum", (1, 4), **real),  # type: ignore[arg-type]
            activation("y", (1, 4), **real),  # type: ignore[arg-type]
        ),
        ops=(
            Op(
                index=0,
                kind="FULLY_CONNECTED",
                inputs=(0, 1),
                outputs=(2,),
                attributes=FullyConnectedAttributes(
                    activation=Activation.NONE, keep_num_dims=False
                ),
            ),
            Op(index=1, kind="RELU", inputs=(2,), outputs=(3,)),
        ),
        inputs=(0,),
        outputs=(3,),
    )
    assert kinds(applied(graph, "activations").graph) == ["FULLY_CONNECTED"]


# tables


def test_a_chain_of_functions_is_one_table() -> None:
    net = Network(18)
    x = net.input((1, 9))
    scalar = net.constant(np.array(77, np.int8), scales=[0.03], zero_point=2)
    y = net.op("RELU6", [net.arithmetic("ADD", x, scalar, Activation.RELU)])
    y = net.quantize(net.op("DEQUANTIZE", [net.op("LOGISTIC", [y])]), 0.01, 4)
    rewritten = applied(net.graph(y), "tables")
    assert kinds(rewritten.graph) == ["ANVIL_TABLE"]
    assert rewritten.graph.ops[0].index == 4


def test_a_hard_swish_in_pieces_is_one_table() -> None:
    net = Network(19)
    x = net.input((1, 4, 4, 3))
    three = net.constant(np.array([[[[100]]]], np.int8), scales=[0.03])
    gate = net.op("RELU6", [net.arithmetic("ADD", x, three)])
    y = net.arithmetic("MUL", x, gate)
    assert kinds(applied(net.graph(y), "tables").graph) == ["ANVIL_TABLE"]
    square = net.arithmetic("MUL", x, x)
    found = kinds(applied(net.graph(y, square), "tables").graph)
    assert found == ["ANVIL_TABLE", "ANVIL_TABLE"]


def test_a_function_that_is_read_elsewhere_is_not_absorbed() -> None:
    net = Network(20)
    x = net.input((1, 9))
    middle = net.op("RELU", [x])
    y = net.op("LOGISTIC", [middle])
    graph = net.graph(y, middle)
    assert rewrite(graph, DEFINITIONS).graph == graph


def test_tables_of_different_tensors_stay_apart() -> None:
    net = Network(21)
    one, other = net.op("RELU", [net.input((1, 9))]), net.op("RELU6", [net.input((1, 9))])
    graph = net.graph(net.arithmetic("MUL", one, other))
    assert rewrite(graph, DEFINITIONS).graph == graph
