"""Interval arithmetic: what each channel of each int8 or int16 tensor can be, over all inputs.

A channel is an index of the last axis; its bounds hold for every element of it. Bounds of
convolutions are those of their accumulators: the products of positive weights with the
greatest inputs and of negative weights with the least, exact in float64 below 2**53. All that
follows them rises with the accumulator, so that its ends give the ends of the outputs. Where a
sum of 32 bits could leave them, and wrap around, nothing is known; sums of 64 bits cannot, as
the operators' checks see to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import (
    ConcatenationAttributes,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
    Padding,
    Pool2DAttributes,
)
from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Quantization, Tensor
from anvil.ops.arrays import array_of
from anvil.ops.checks import attributes_of
from anvil.ops.elementwise import quantization_of
from anvil.ops.integer_weights import bias_dtype, has_wide_sums
from anvil.ops.lookup_table import int8_values
from anvil.ops.requantize import INT32_MAX, INT32_MIN, activation_range, integer_range
from anvil.plan.rewrites.evaluate import constant_tensor, evaluate
from anvil.plan.rewrites.weighted import Weighted, weighted_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.ops.definition import OperatorDefinition

    Array = npt.NDArray[Any]

# A sum that is shifted left further may wrap around in 32 bits, and outputs no longer rise.
_MAX_SHIFTED_SUM = 0.99 * 2.0**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """For each channel the least and the greatest value, both included; int64 of shape (C,)."""

    least: npt.NDArray[np.int64]
    greatest: npt.NDArray[np.int64]

    @property
    def is_constant(self) -> npt.NDArray[np.bool_]:
        """The channels that hold one value."""
        same: npt.NDArray[np.bool_] = self.least == self.greatest
        return same

    @classmethod
    def of(cls, least: Array, greatest: Array) -> Bounds:
        """From arrays with the channels on the last axis."""
        return cls(
            least=np.asarray(least, dtype=np.int64).reshape(-1, least.shape[-1]).min(axis=0),
            greatest=np.asarray(greatest, dtype=np.int64)
            .reshape(-1, greatest.shape[-1])
            .max(axis=0),
        )


def channel_bounds(
    graph: Graph, definitions: Mapping[str, OperatorDefinition]
) -> dict[int, Bounds]:
    """The bounds of every int8 or int16 tensor that has an axis and one quantization, by index."""
    known: dict[int, Bounds] = {}
    for index in graph.inputs:
        if _is_bounded(graph.tensors[index]):
            known[index] = _anything(graph.tensors[index])
    for op in graph.ops:
        for index in op.inputs:
            if index == ABSENT or index in known:
                continue
            tensor = graph.tensors[index]
            if tensor.is_constant and _is_bounded(tensor):
                known[index] = Bounds.of(array_of(tensor), array_of(tensor))
        for index in op.outputs:
            tensor = graph.tensors[index]
            if _is_bounded(tensor):
                known[index] = _output(op, graph, definitions, known) or _anything(tensor)
    return known


def _is_bounded(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    return (
        tensor.dtype in {DType.INT8, DType.INT16}
        and bool(tensor.shape)
        and tensor.n_elements > 0
        and quantization is not None
        and not quantization.is_per_channel
    )


def _anything(tensor: Tensor) -> Bounds:
    n_channels = tensor.shape[-1]
    least, greatest = integer_range(tensor.dtype)
    return Bounds(
        least=np.full(n_channels, least, np.int64), greatest=np.full(n_channels, greatest, np.int64)
    )


def _output(
    op: Op,
    graph: Graph,
    definitions: Mapping[str, OperatorDefinition],
    known: Mapping[int, Bounds],
) -> Bounds | None:
    """The bounds of the op's first output; None where nothing is known of it."""
    definition = definitions[op.kind]
    source = known.get(op.inputs[0]) if op.inputs else None
    if source is None:
        return None
    match op.kind:
        case "CONV_2D" | "DEPTHWISE_CONV_2D" | "FULLY_CONNECTED":
            return _weighted(op, graph, definition, source)
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            return _pool(op, graph, source)
        case "ADD" | "MUL":
            computed = {i for i in op.inputs if not graph.tensors[i].is_constant}
            # The constant may stand first.
            own = known.get(computed.pop()) if len(computed) == 1 else None
            table = None if own is None else _table(op, graph, definition, own)
            return table or _binary(op, graph, definition, known)
        case "PAD":
            return _pad(op, graph, source)
        case "CONCATENATION":
            return _concatenation(op, graph, known)
        case "RESHAPE":
            return _reshape(graph.tensors[op.outputs[0]], source)
        case "MEAN":
            return _mean(op, graph, definition, source)
        case "SOFTMAX":
            return None
    result = graph.tensors[op.outputs[0]]
    if graph.tensors[op.inputs[0]].shape == result.shape:
        return _table(op, graph, definition, source)
    return None


def _weighted(
    op: Op, graph: Graph, definition: OperatorDefinition, source: Bounds
) -> Bounds | None:
    weighted = weighted_of(op, graph)
    result = graph.tensors[op.outputs[0]]
    if weighted is None or not _is_bounded(result):
        return None
    sums = _sum_bounds(weighted, source)
    least, greatest = sums + weighted.bias
    attributes = op.attributes
    assert isinstance(
        attributes, Conv2DAttributes | DepthwiseConv2DAttributes | FullyConnectedAttributes
    )
    ends = activation_range(attributes.activation, quantization_of(result), result.dtype)
    # Kernels multiply by a number from 1/2 to 1 after a shift of at most twice the scale.
    growth = np.maximum(2.0 * weighted.effective_scales, 1.0)
    fits = np.maximum(np.abs(least), np.abs(greatest)) * growth < _MAX_SHIFTED_SUM
    sums = np.stack([least, greatest])
    if has_wide_sums(op, graph):
        fits = np.ones_like(fits)
    else:
        sums = np.clip(sums, INT32_MIN, INT32_MAX)
    exact = outputs_of_sums(op, graph, definition, sums)
    return Bounds(
        least=np.where(fits, exact[0], ends[0]), greatest=np.where(fits, exact[1], ends[1])
    )


def _sum_bounds(weighted: Weighted, source: Bounds) -> Array:
    """The least and greatest sum of each output channel, without bias; float64 of shape (2, O)."""
    least = (source.least - weighted.zero_point).astype(np.float64)
    greatest = (source.greatest - weighted.zero_point).astype(np.float64)
    total = np.zeros((2, weighted.n_outputs))
    for taps, low, high in (
        (weighted.always, least, greatest),
        # Beyond the image the centred value is 0.
        (weighted.sometimes, np.minimum(least, 0), np.maximum(greatest, 0)),
    ):
        total[0] += weighted.dot(taps.positive, low) + weighted.dot(taps.negative, high)
        total[1] += weighted.dot(taps.positive, high) + weighted.dot(taps.negative, low)
    return total


def outputs_of_sums(
    op: Op, graph: Graph, definition: OperatorDefinition, sums: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """What a convolution or FULLY_CONNECTED makes of sums (n, O) of its output channels.

    Its own reference says so, of one pixel with weights of 0 and the sums as its bias: n times
    as many output channels, with the scales of the op's own.
    """
    source, weights = (graph.tensors[index] for index in op.inputs[:2])
    n_outputs = sums.size
    attributes = op.attributes
    if isinstance(attributes, Conv2DAttributes | DepthwiseConv2DAttributes):
        attributes = replace(attributes, padding=Padding.VALID)
    image_shape, weights_shape, shape = {
        "CONV_2D": ((1, 1, 1, 1), (n_outputs, 1, 1, 1), (1, 1, 1, n_outputs)),
        "DEPTHWISE_CONV_2D": ((1, 1, 1, 1), (1, 1, 1, n_outputs), (1, 1, 1, n_outputs)),
        "FULLY_CONNECTED": ((1, 1), (n_outputs, 1), (1, n_outputs)),
    }[op.kind]
    quantization = quantization_of(weights)
    if quantization.is_per_channel:
        times = sums.shape[0]
        quantization = replace(
            quantization,
            scales=quantization.scales * times,
            zero_points=quantization.zero_points * times,
        )
    bias = sums.reshape(n_outputs).astype(bias_dtype(op, graph).value)
    result = evaluate(
        definition,
        replace(op, attributes=attributes),
        [
            (
                replace(source, shape=image_shape, data=None),
                np.zeros(image_shape, source.dtype.value),
            ),
            (replace(weights, quantization=quantization), np.zeros(weights_shape, np.int8)),
            (constant_tensor("sums", bias), bias),
        ],
        graph.tensors[op.outputs[0]],
        shape,
    )
    return result.reshape(sums.shape).astype(np.int64)


def _pool(op: Op, graph: Graph, source: Bounds) -> Bounds:
    result = graph.tensors[op.outputs[0]]
    activation = attributes_of(op, Pool2DAttributes).activation
    ends = activation_range(activation, quantization_of(result), result.dtype)
    return Bounds(least=np.clip(source.least, *ends), greatest=np.clip(source.greatest, *ends))


def _binary(
    op: Op, graph: Graph, definition: OperatorDefinition, known: Mapping[int, Bounds]
) -> Bounds | None:
    """Sums rise with both operands; a product has its ends at the corners."""
    result = graph.tensors[op.outputs[0]]
    operands = [(graph.tensors[index], known.get(index)) for index in op.inputs]
    corners = []
    for first in ("least", "greatest"):
        for second in ("least", "greatest"):
            inputs = []
            for (tensor, bounds), end in zip(operands, (first, second), strict=True):
                if bounds is None:
                    return None
                ends = np.broadcast_to(getattr(bounds, end), result.shape[-1:])
                values = ends.astype(tensor.dtype.value)
                inputs.append((replace(tensor, data=None, shape=values.shape), values))
            corners.append(evaluate(definition, op, inputs, result, result.shape[-1:]))
    stacked = np.stack(corners)
    return Bounds.of(stacked, stacked)


def _table(op: Op, graph: Graph, definition: OperatorDefinition, source: Bounds) -> Bounds | None:
    """The ends over every value between the bounds; a table need not rise."""
    table = table_of(op, graph, definition)
    if table is None:
        return None
    results = np.roll(table, 128).astype(np.int64)  # the one of -128 first
    least, greatest = np.empty_like(source.least), np.empty_like(source.greatest)
    pairs = np.stack([source.least, source.greatest], axis=1)
    for low, high in np.unique(pairs, axis=0).tolist():
        between = results[low + 128 : high + 129]
        here = (source.least == low) & (source.greatest == high)
        least[here], greatest[here] = between.min(), between.max()
    return Bounds(least=least, greatest=greatest)


def table_of(op: Op, graph: Graph, definition: OperatorDefinition) -> npt.NDArray[np.int8] | None:
    """The 256 results of an operator on one int8 tensor, in a table's order; None of others.

    Constant operands must be single values; a table is its own second input.
    """
    computed = [index for index in op.inputs if not graph.tensors[index].is_constant]
    result = graph.tensors[op.outputs[0]]
    if op.kind not in ELEMENTWISE or len(set(computed)) != 1:
        return None
    source = graph.tensors[computed[0]]
    if not _is_int8(source) or not _is_int8(result) or source.shape != result.shape:
        return None
    values = int8_values().astype(np.int8)
    inputs: list[tuple[Tensor, Array] | None] = []
    for index in op.inputs:
        tensor = graph.tensors[index]
        if not tensor.is_constant:
            inputs.append((tensor, values))
        elif op.kind == "ANVIL_TABLE":
            inputs.append((tensor, array_of(tensor)))
        elif tensor.n_elements == 1 and _is_int8(tensor):
            inputs.append((tensor, array_of(tensor).reshape(1)))
        else:
            return None
    return evaluate(definition, op, inputs, result, values.shape).astype(np.int8)


# Operators whose every output element depends on the elements at its place alone.
ELEMENTWISE = frozenset(
    {"RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "QUANTIZE"}
    | {"ADD", "SUB", "MUL", "ANVIL_TABLE"}
)


def _is_int8(tensor: Tensor) -> bool:
    quantization: Quantization | None = tensor.quantization
    return (
        tensor.dtype is DType.INT8 and quantization is not None and not quantization.is_per_channel
    )


def _pad(op: Op, graph: Graph, source: Bounds) -> Bounds:
    paddings = array_of(graph.tensors[op.inputs[1]]).tolist()
    zero_point = quantization_of(graph.tensors[op.outputs[0]]).zero_point
    *others, channels = paddings
    least, greatest = source.least, source.greatest
    if any(before or after for before, after in others):
        least, greatest = np.minimum(least, zero_point), np.maximum(greatest, zero_point)
    return Bounds(
        least=np.pad(least, channels, constant_values=zero_point),
        greatest=np.pad(greatest, channels, constant_values=zero_point),
    )


def _concatenation(op: Op, graph: Graph, known: Mapping[int, Bounds]) -> Bounds | None:
    parts = [known[index] for index in op.inputs if index in known]
    if len(parts) != len(op.inputs):
        return None
    rank = len(graph.tensors[op.outputs[0]].shape)
    if attributes_of(op, ConcatenationAttributes).axis % rank == rank - 1:
        return Bounds(
            least=np.concatenate([part.least for part in parts]),
            greatest=np.concatenate([part.greatest for part in parts]),
        )
    return Bounds.of(
        np.stack([part.least for part in parts]), np.stack([part.greatest for part in parts])
    )


def _reshape(result: Tensor, source: Bounds) -> Bounds:
    n_before, n_after = len(source.least), result.shape[-1]
    if n_after % n_before == 0:
        times = n_after // n_before
        return Bounds(least=np.tile(source.least, times), greatest=np.tile(source.greatest, times))
    if n_before % n_after == 0:
        return Bounds.of(source.least.reshape(-1, n_after), source.greatest.reshape(-1, n_after))
    return Bounds(
        least=np.full(n_after, source.least.min()), greatest=np.full(n_after, source.greatest.max())
    )


def _mean(op: Op, graph: Graph, definition: OperatorDefinition, source: Bounds) -> Bounds | None:
    """A mean rises with each of its inputs."""
    images, axes = (graph.tensors[index] for index in op.inputs)
    result = graph.tensors[op.outputs[0]]
    ends = [
        evaluate(
            definition,
            op,
            [
                (images, np.broadcast_to(end, images.shape).astype(images.dtype.value)),
                (axes, array_of(axes)),
            ],
            result,
            result.shape,
        )
        for end in (source.least, source.greatest)
    ]
    return Bounds.of(*ends)
