"""FULLY_CONNECTED: weights of shape (units, depth).

TFLite's reference rescales each sum of integers in float64 and rounds once, where convolutions
use fixed point. The kernels do the same in integers, since microcontrollers have no float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import FullyConnectedAttributes
from anvil.core.plan import KernelCall
from anvil.ops import float_weights
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.checks import attributes_of, output_tensor, shape_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.float_weights import TOLERANCE, depth_sums
from anvil.ops.integer_weights import (
    bias_array,
    bias_constant,
    effective_scales,
    greatest_sums,
    has_wide_sums,
    output_fields,
)
from anvil.ops.requantize import activation_range, wrap_int32
from anvil.ops.weighted import rescaling_problems, tensor_problems
from anvil.ops.weights import arity_problems, is_float, kernel_dtype, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant
    from anvil.ops.definition import Array, Shape

_RESULT_LIMIT = 2**31 - 256  # leaves room for an output's zero point


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
        or rescaling_problems(op, graph, channel_axis=0)
        or _overflow_problems(op, graph)
        or shape_problems(output_tensor(op, graph), _infer_shapes(op, graph)[0])
    )


def _overflow_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse scales by which a sum may leave int32, where TFLite's conversion is undefined."""
    if is_float(op, graph):
        return []
    sums = greatest_sums(op, graph, channel_axis=0)
    scales = effective_scales(op, graph)
    limits = sums.tolist() if len(scales) > 1 else [int(sums.max())]
    for scale, sum_limit in zip(scales, limits, strict=True):
        if not sum_limit * scale < _RESULT_LIMIT:
            return [
                (
                    f"its sums reach {sum_limit}, and its scales ask for a multiplication by "
                    f"{scale:g}, which leaves 32 bits; quantize with a larger output scale"
                )
            ]
    return []


def _rescaling(op: Op, graph: Graph) -> tuple[Constant, ...]:
    """Each effective scale, all 53 bits of it, as anvil_rescale_once takes it."""
    parts = [math.frexp(scale) for scale in effective_scales(op, graph)]
    # A fraction below 1 has 53 bits, so that 62 of them hold it exactly.
    mantissas = [int(fraction * 2**62) for fraction, _ in parts]
    numbers = {
        "multiplier": [mantissa >> 31 for mantissa in mantissas],
        "multiplier_low": [mantissa % 2**31 for mantissa in mantissas],
        "shift": [shift for _, shift in parts],
    }
    return tuple(constant_of(name, np.array(n, dtype=np.int32)) for name, n in numbers.items())


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
    rows = values.reshape(-1, weights.shape[1])
    (shape,) = _infer_shapes(op, graph)
    if is_float(op, graph):
        sums = depth_sums(rows.astype(np.float32), weights.astype(np.float32))
        activation = attributes_of(op, FullyConnectedAttributes).activation
        return (float_weights.output(op, graph, sums, activation).reshape(shape),)
    return (_rescaled(op, graph, _exact_sums(op, graph, rows, weights)).reshape(shape),)


def _exact_sums(op: Op, graph: Graph, rows: Array, weights: Array) -> npt.NDArray[np.int64]:
    zero_point = quantization_of(graph.tensors[op.inputs[0]]).zero_point
    # float64 holds every sum of integer products exactly, in whatever order they are added.
    centred = rows.astype(np.float64) - zero_point
    products = (centred @ weights.T.astype(np.float64)).astype(np.int64)
    sums: npt.NDArray[np.int64] = products + bias_array(op, graph, weights.shape[0])
    return sums if has_wide_sums(op, graph) else wrap_int32(sums).astype(np.int64)


def _rescaled(op: Op, graph: Graph, sums: npt.NDArray[np.int64]) -> Array:
    scaled = sums.astype(np.float64) * np.array(effective_scales(op, graph))
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    least, greatest = activation_range(
        attributes_of(op, FullyConnectedAttributes).activation, quantization, output.dtype
    )
    shifted = _round_half_away(scaled) + quantization.zero_point
    return np.clip(shifted, least, greatest).astype(output.dtype.value)


def _round_half_away(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    whole = np.trunc(values)
    return (whole + np.trunc(2.0 * (values - whole))).astype(np.int64)


def _lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    units, depth = graph.tensors[op.inputs[1]].shape
    batches = graph.tensors[op.inputs[0]].n_elements // depth
    activation = attributes_of(op, FullyConnectedAttributes).activation
    fields: tuple[tuple[str, int | float], ...]
    if is_float(op, graph):
        fields = float_weights.output_fields(activation)
        constants = float_weights.constants(op, graph, units)
    else:
        multiplier_stride = int(len(effective_scales(op, graph)) > 1)
        fields = (
            ("multiplier_stride", multiplier_stride),
            *output_fields(op, graph, activation),
        )
        constants = _integer_constants(op, graph)
    return (
        KernelCall(
            op="fully_connected",
            dtype=kernel_dtype(op, graph),
            parameters=(("batches", batches), ("depth", depth), ("units", units), *fields),
            inputs=(op.inputs[0],),
            constants=constants,
            outputs=(op.outputs[0],),
            n_macs=batches * units * depth,
        ),
    )


def _integer_constants(op: Op, graph: Graph) -> tuple[Constant, ...]:
    weights = array_of(weights_of(op, graph))
    bias = bias_array(op, graph, weights.shape[0])
    # sum(w * (x - z)) is sum(w * x) - z * sum(w), in 32 bits that wrap around too.
    zero_point = quantization_of(graph.tensors[op.inputs[0]]).zero_point
    bias = bias - zero_point * weights.astype(np.int64).sum(axis=1)
    if not has_wide_sums(op, graph):
        bias = wrap_int32(bias).astype(np.int64)
    return (
        constant_of("weights", weights),
        bias_constant(op, graph, bias),
        *_rescaling(op, graph),
    )


DEFINITION = OperatorDefinition(
    kind="FULLY_CONNECTED",
    folder="fully_connected",
    is_alias=False,
    check=_check,
    infer_shapes=_infer_shapes,
    reference=_reference,
    lower=_lower,
    tolerance=TOLERANCE,
)
