"""FULLY_CONNECTED on int8: weights of shape (units, depth).

TFLite's reference rescales each sum in float64 and rounds once, where convolutions round
twice in fixed point; anvil/ops/single_rounding.py finds the fixed-point multipliers that
compute the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import FullyConnectedAttributes
from anvil.core.plan import KernelCall
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.checks import attributes_of, output_tensor, shape_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import INT32_MAX, INT32_MIN, activation_range, wrap_int32
from anvil.ops.single_rounding import Demand, find_multiplier
from anvil.ops.weights import (
    arity_problems,
    bias_array,
    effective_scales,
    multiplier_problems,
    output_fields,
    tensor_problems,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape
    from anvil.ops.requantize import FixedPoint


def _check(op: Op, graph: Graph) -> list[str]:
    problems = arity_problems(op)
    if problems:
        return problems
    values, weights = (graph.tensors[index] for index in op.inputs[:2])
    if len(weights.shape) != 2:
        return [
            f"its weights {weights.name!r} have shape {list(weights.shape)}; 2 axes are supported"
        ]
    problems = tensor_problems(op, graph, channel_axis=0)
    depth = weights.shape[1]
    if 0 in weights.shape:
        problems.append(
            f"its weights {weights.name!r} have shape {list(weights.shape)}; "
            "every extent must be at least 1"
        )
    elif attributes_of(op, FullyConnectedAttributes).keep_num_dims:
        if values.shape[-1:] != (depth,):
            problems.append(
                f"its input {values.name!r} has shape {list(values.shape)}; the last extent "
                f"must be the {depth} of the weights where all axes are kept"
            )
    elif values.n_elements % depth:
        problems.append(
            f"its input {values.name!r} has {values.n_elements} values; "
            f"they must be a multiple of the {depth} that one output reads"
        )
    return (
        problems
        or multiplier_problems(op, graph)
        or _rounding_problems(op, graph)
        or shape_problems(output_tensor(op, graph), _infer_shapes(op, graph)[0])
    )


def _rounding_problems(op: Op, graph: Graph) -> list[str]:
    scales = effective_scales(op, graph)
    for scale, demand in zip(scales, _demands(op, graph, len(scales)), strict=True):
        greatest = max(abs(demand.least_sum), abs(demand.greatest_sum)) * scale
        if not greatest < 2**31 - 256:
            return [
                f"its sums times {scale:g}, which its scales ask for, reach {greatest:g}; less "
                "than 2^31 is supported: quantize the model with a larger output scale"
            ]
        if find_multiplier(scale, demand) is None:
            return [
                f"its sums lie between {demand.least_sum} and {demand.greatest_sum}, and no 31-bit "
                f"multiplier rounds all of them as the multiplication by {scale:g} does, which its "
                "scales ask for: quantize the model with a smaller output scale"
            ]
    return []


def _demands(op: Op, graph: Graph, n_scales: int) -> list[Demand]:
    """What each scale of the weights must rescale: one for all channels, or one for each."""
    weights = array_of(graph.tensors[op.inputs[1]]).astype(np.int64)
    zero_point = quantization_of(graph.tensors[op.inputs[0]]).zero_point
    bias = bias_array(op, graph, weights.shape[0]).astype(np.int64)
    ends = weights * (-128 - zero_point), weights * (127 - zero_point)
    least = bias + np.minimum(*ends).sum(axis=1)
    greatest = bias + np.maximum(*ends).sum(axis=1)
    if n_scales == 1:
        least, greatest = least.min(keepdims=True), greatest.max(keepdims=True)
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    activation = attributes_of(op, FullyConnectedAttributes).activation
    least_output, greatest_output = activation_range(activation, quantization, output.dtype)
    # A sum beyond 32 bits wraps around, so that any int32 may come out.
    wraps = (least < INT32_MIN) | (greatest > INT32_MAX)
    return [
        Demand(
            least_sum=INT32_MIN if wrapping else int(low),
            greatest_sum=INT32_MAX if wrapping else int(high),
            least_result=least_output - quantization.zero_point,
            greatest_result=greatest_output - quantization.zero_point,
        )
        for low, high, wrapping in zip(least, greatest, wraps, strict=True)
    ]


def _multipliers(op: Op, graph: Graph) -> list[FixedPoint]:
    scales = effective_scales(op, graph)
    points = [
        find_multiplier(scale, demand)
        for scale, demand in zip(scales, _demands(op, graph, len(scales)), strict=True)
    ]
    if None in points:
        msg = "no multiplier rounds as TFLite does; check() refuses it"
        raise ValueError(msg)
    return [point for point in points if point is not None]


def _infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    values, weights = (graph.tensors[index] for index in op.inputs[:2])
    units, depth = weights.shape
    if attributes_of(op, FullyConnectedAttributes).keep_num_dims:
        return ((*values.shape[:-1], units),)
    return ((values.n_elements // depth, units),)


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values, weights = inputs[0], inputs[1]
    assert values is not None
    assert weights is not None
    units, depth = weights.shape
    zero_point = quantization_of(graph.tensors[op.inputs[0]]).zero_point
    # float64 holds every sum of int8 products exactly, in whatever order they are added.
    centred = values.reshape(-1, depth).astype(np.float64) - zero_point
    products = (centred @ weights.T.astype(np.float64)).astype(np.int64)
    sums = wrap_int32(products + bias_array(op, graph, units))
    scaled = sums.astype(np.float64) * np.array(effective_scales(op, graph))
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    least, greatest = activation_range(
        attributes_of(op, FullyConnectedAttributes).activation, quantization, output.dtype
    )
    shifted = _round_half_away(scaled) + quantization.zero_point
    return (
        np.clip(shifted, least, greatest).astype(np.int8).reshape(_infer_shapes(op, graph)[0]),
    )


def _round_half_away(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    whole = np.trunc(values)
    return (whole + np.trunc(2.0 * (values - whole))).astype(np.int64)


def _lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    values, weights_tensor = (graph.tensors[index] for index in op.inputs[:2])
    weights = array_of(weights_tensor)
    units, depth = weights.shape
    batches = values.n_elements // depth
    # sum(w * (x - z)) is sum(w * x) - z * sum(w), in 32 bits that wrap around too.
    zero_point = quantization_of(values).zero_point
    corrections = zero_point * weights.astype(np.int64).sum(axis=1)
    bias = wrap_int32(bias_array(op, graph, units).astype(np.int64) - corrections)
    points = _multipliers(op, graph)
    multiplier = np.array([point.multiplier for point in points], dtype=np.int32)
    shift = np.array([point.shift for point in points], dtype=np.int32)
    return (
        KernelCall(
            op="fully_connected",
            dtype="int8",
            parameters=(
                ("batches", batches),
                ("depth", depth),
                ("units", units),
                *output_fields(
                    op, graph, attributes_of(op, FullyConnectedAttributes).activation
                ),
            ),
            inputs=(op.inputs[0],),
            constants=(
                constant_of("weights", weights),
                constant_of("bias", bias),
                constant_of("multiplier", np.broadcast_to(multiplier, units)),
                constant_of("shift", np.broadcast_to(shift, units)),
            ),
            outputs=(op.outputs[0],),
            n_macs=batches * math.prod(weights.shape),
        ),
    )


DEFINITION = OperatorDefinition(
    kind="FULLY_CONNECTED",
    folder="fully_connected",
    is_alias=False,
    check=_check,
    infer_shapes=_infer_shapes,
    reference=_reference,
    lower=_lower,
)
