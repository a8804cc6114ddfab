"""FULLY_CONNECTED on int8: weights of shape (units, depth).

TFLite's reference rescales each sum in float64 and rounds once, where convolutions round
twice in fixed point. The kernels do the same in integers, since microcontrollers have no
float64.
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
        or multiplier_problems(op, graph)
        or _overflow_problems(op, graph)
        or shape_problems(output_tensor(op, graph), _infer_shapes(op, graph)[0])
    )


def _overflow_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse scales by which a sum may leave int32, where TFLite's conversion is undefined."""
    for scale, sum_limit in zip(
        effective_scales(op, graph), _greatest_sums(op, graph).tolist(), strict=True
    ):
        if not sum_limit * scale < _RESULT_LIMIT:
            return [
                (
                    f"its sums reach {sum_limit}, and its scales ask for a multiplication by "
                    f"{scale:g}, which leaves 32 bits; quantize with a larger output scale"
                )
            ]
    return []


def _greatest_sums(op: Op, graph: Graph) -> npt.NDArray[np.int64]:
    """The greatest magnitude of a sum for each scale of the weights, over all inputs."""
    weights = array_of(graph.tensors[op.inputs[1]]).astype(np.int64)
    zero_point = quantization_of(graph.tensors[op.inputs[0]]).zero_point
    largest_input = max(128 + zero_point, 127 - zero_point)
    sums: npt.NDArray[np.int64] = np.abs(weights).sum(axis=1) * largest_input
    sums += np.abs(bias_array(op, graph, weights.shape[0]).astype(np.int64))
    # A sum beyond 32 bits wraps around, so that any int32 may come out.
    sums[sums > INT32_MAX] = -INT32_MIN
    n_scales = len(effective_scales(op, graph))
    return np.full(1, sums.max()) if n_scales == 1 else sums


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
    return (np.clip(shifted, least, greatest).astype(np.int8).reshape(_infer_shapes(op, graph)[0]),)


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
    return (
        KernelCall(
            op="fully_connected",
            dtype="int8",
            parameters=(
                ("batches", batches),
                ("depth", depth),
                ("units", units),
                ("multiplier_stride", int(len(effective_scales(op, graph)) > 1)),
                *output_fields(op, graph, attributes_of(op, FullyConnectedAttributes).activation),
            ),
            inputs=(op.inputs[0],),
            constants=(
                constant_of("weights", weights),
                constant_of("bias", bias),
                *_rescaling(op, graph),
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
