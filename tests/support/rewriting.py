"""Networks that rewrites find something in, and what proves that their bits stay.

`spoiled_network` draws a network and then makes channels dead or constant the ways that
training and quantization do: weights of zero, biases far below a clamp, inputs that no weight
reads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Activation, MeanAttributes, Padding
from anvil.core.graph import ABSENT, Graph
from anvil.core.rewrite import Rewritten
from anvil.core.tensor import Tensor
from anvil.ops.arrays import array_of
from anvil.ops.registry import DEFINITIONS
from anvil.plan.rewrites import NAMES
from anvil.plan.rewrites.rewrite import rewrite
from tests.support.networks import (
    Network,
    concatenation_attributes,
    convolution_attributes,
    depthwise_attributes,
    pool_attributes,
)
from tests.support.tflite_builder import random_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_FUSED = (Activation.NONE, Activation.RELU, Activation.RELU, Activation.RELU6)


def values_of(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Every tensor's value by the operators' NumPy references."""
    values: dict[int, Array] = {
        i: array_of(tensor) for i, tensor in enumerate(graph.tensors) if tensor.is_constant
    }
    values.update(zip(graph.inputs, inputs, strict=True))
    for op in graph.ops:
        given = [None if index == ABSENT else values[index] for index in op.inputs]
        outputs = DEFINITIONS[op.kind].reference(op, graph, given)
        values.update(zip(op.outputs, outputs, strict=True))
    return values


def inferences(graph: Graph, seed: int, n_random: int = 4) -> list[list[Array]]:
    """Random inputs, and the ends of their types everywhere and by turns."""
    rng = np.random.default_rng(seed)
    tensors = [graph.tensors[index] for index in graph.inputs]
    batches = [[random_array(tensor, rng) for tensor in tensors] for _ in range(n_random)]
    for low, high in ((0, 0), (1, 1), (0, 1)):
        batches.append([_extreme(tensor, low, high) for tensor in tensors])
    return batches


def _extreme(tensor: Tensor, *ends: int) -> Array:
    dtype = np.dtype(tensor.dtype.value)
    limits = (-1e3, 1e3) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = np.resize([limits[end] for end in ends], tensor.shape)
    return values.astype(dtype)


def assert_same_bits(graph: Graph, rewritten: Rewritten, batches: Sequence[Sequence[Array]]) -> int:
    """Outputs are equal; so is every tensor that survived, in the channels that did.

    Returns the number of tensors compared, constants of removed channels included.
    """
    after = rewritten.graph
    for before_ports, after_ports in (
        (graph.inputs, after.inputs),
        (graph.outputs, after.outputs),
    ):
        assert [graph.tensors[i] for i in before_ports] == [after.tensors[i] for i in after_ports]
    for op in after.ops:
        assert not DEFINITIONS[op.kind].check(op, after), op
        assert DEFINITIONS[op.kind].infer_shapes(op, after)[0] == after.tensors[op.outputs[0]].shape
    n_compared = 0
    for batch in batches:
        expected, found = values_of(graph, batch), values_of(after, batch)
        for one, other in zip(graph.outputs, after.outputs, strict=True):
            np.testing.assert_array_equal(found[other], expected[one])
        for index, origin in enumerate(rewritten.origins):
            if origin is None or index not in found:
                continue
            truth = expected[origin.tensor]
            kept = truth if origin.channels is None else truth[..., list(origin.channels)]
            np.testing.assert_array_equal(found[index], kept)
            for channel, value in origin.constants:
                np.testing.assert_array_equal(truth[..., channel], value)
            n_compared += 1 + len(origin.constants)
    return n_compared


def rewritten_alone(graph: Graph, *names: str) -> Rewritten:
    """The graph after these rewrites and no others."""
    return rewrite(graph, DEFINITIONS, disabled=frozenset(NAMES) - set(names))


def spoil(graph: Graph, seed: int) -> Graph:
    """The graph with dead, constant and saturated channels in its weights and biases."""
    rng = np.random.default_rng(seed)
    tensors = list(graph.tensors)
    for op in graph.ops:
        if op.kind not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        weights = array_of(tensors[op.inputs[1]]).copy()
        # Output channels first, whatever the operator.
        by_output = np.moveaxis(weights, 3 if op.kind == "DEPTHWISE_CONV_2D" else 0, 0)
        by_output[rng.random(len(by_output)) < 0.4] = 0
        if op.kind != "DEPTHWISE_CONV_2D":
            by_output[..., rng.random(by_output.shape[-1]) < 0.3] = 0
        tensors[op.inputs[1]] = _with(tensors[op.inputs[1]], weights)
        if len(op.inputs) > 2 and op.inputs[2] != ABSENT:
            bias = array_of(tensors[op.inputs[2]]).copy()
            chosen = rng.random(bias.shape)
            bias[chosen < 0.15] = -(2**24)
            bias[chosen > 0.85] = 2**24
            tensors[op.inputs[2]] = _with(tensors[op.inputs[2]], bias)
    return replace(graph, tensors=tuple(tensors))


def _with(tensor: Tensor, values: Array) -> Tensor:
    return replace(tensor, data=np.ascontiguousarray(values).tobytes())


def separable_network(seed: int) -> Graph:
    """Convolutions as mobile networks have them, with branches, pads and pools among them."""
    net = Network(seed)
    rng = net.rng
    x = net.input((1, 9, 8, int(rng.integers(1, 4))))
    for _ in range(int(rng.integers(2, 6))):
        x = _block(net, x)
    shape = net.shape(x)
    match int(rng.integers(4)):
        case 0:
            x = net.op(
                "MEAN",
                [x, net.constant(np.array([1, 2], np.int32))],
                MeanAttributes(keep_dims=False),
            )
        case 1:
            x = net.reshape(x, (1, int(np.prod(shape))))
        case 2:
            whole = pool_attributes(
                filter_h=shape[1], filter_w=shape[2], stride_h=shape[1], stride_w=shape[2]
            )
            x = net.op("AVERAGE_POOL_2D", [x], whole)
            x = net.reshape(x, (1, shape[3]))
        case _:
            # FULLY_CONNECTED flattens by itself.
            pass
    depth = int(np.prod(net.shape(x)))
    x = net.fully_connected(x, n_outputs=6, fused=Activation.RELU, depth=depth)
    x = net.fully_connected(x, n_outputs=3, per_channel=bool(rng.integers(2)))
    return spoil(net.graph(x), seed + 1)


def _block(net: Network, x: int) -> int:
    rng = net.rng
    fused = _FUSED[int(rng.integers(len(_FUSED)))]
    padding = Padding.SAME if min(net.shape(x)[1:3]) < 4 or rng.random() < 0.6 else Padding.VALID
    stride = int(rng.integers(1, 3))
    match int(rng.integers(8)):
        case 0 | 1:
            y = net.depthwise(
                x,
                multiplier=(multiplier := int(rng.integers(1, 3))),
                attributes=depthwise_attributes(
                    multiplier, padding=padding, stride_h=stride, activation=fused
                ),
            )
            return net.convolution(
                y,
                n_outputs=int(rng.integers(2, 9)),
                filter_size=(1, 1),
                attributes=convolution_attributes(activation=fused),
            )
        case 2 | 3:
            return net.convolution(
                x,
                n_outputs=int(rng.integers(2, 9)),
                attributes=convolution_attributes(
                    padding=padding, stride_w=stride, activation=fused
                ),
            )
        case 4:
            paddings = np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32)
            y = net.op("PAD", [x, net.constant(paddings)])
            return net.convolution(
                y,
                n_outputs=4,
                attributes=convolution_attributes(padding=Padding.VALID, activation=fused),
            )
        case 5:
            y = net.convolution(x, n_outputs=net.shape(x)[3], filter_size=(1, 1))
            return net.arithmetic("ADD", x, y, fused)
        case 6:
            y = net.op("MAX_POOL_2D", [x], pool_attributes(padding=Padding.SAME, activation=fused))
            z = net.op("RELU", [net.depthwise(y)], scale=net.quantization(y)[0], zero_point=-128)
            same = net.quantize(z, *net.quantization(y))
            return net.op("CONCATENATION", [y, same], concatenation_attributes(3))
        case _:
            y = net.convolution(x, n_outputs=net.shape(x)[3], filter_size=(1, 1))
            factor = net.op("LOGISTIC", [y])
            return net.arithmetic("MUL", x, factor)
