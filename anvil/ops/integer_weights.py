"""int8 weights under int8 or int16 activations: checks, scales, biases, rescaling.

int16 activations (TFLite's 16x8) have zero point 0. Their sums are as wide as the bias that
the model declares: 64 bits, which a multiplier of 15 bits rescales with one rounding, or 32,
which wrap around and are rescaled as those of int8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Conv2DAttributes, FullyConnectedAttributes
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.checks import int8_problems, output_tensor
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import (
    INT32_MAX,
    INT32_MIN,
    activation_range,
    integer_range,
    multipliers_and_shifts,
    reduced_multiplier,
    requantize,
    requantize_wide,
    wrap_int32,
)
from anvil.ops.weights import bias_of, weights_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import Array

    Int32Array = npt.NDArray[np.int32]
    Int64Array = npt.NDArray[np.int64]

_MAX_MULTIPLIER = 2.0**30  # a left shift by more than 30 bits leaves nothing of an int32
_MAX_WIDE_MULTIPLIER = 2.0**7  # what TFLite's rescaling of int64 sums assumes, as the next
_MAX_WIDE_SUM = 2**47


def bias_dtype(op: Op, graph: Graph) -> DType:
    """The type of the bias, which is as wide as the sums."""
    if graph.tensors[op.inputs[0]].dtype is DType.INT8:
        return DType.INT32
    if isinstance(op.attributes, Conv2DAttributes | FullyConnectedAttributes):
        return op.attributes.bias_dtype or DType.INT64
    return DType.INT64


def has_wide_sums(op: Op, graph: Graph) -> bool:
    """Whether sums have 64 bits."""
    return bias_dtype(op, graph) is DType.INT64


def data_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse an input and an output that are not int8 both, or int16 with zero point 0 both."""
    values, output = graph.tensors[op.inputs[0]], output_tensor(op, graph)
    if values.dtype is DType.INT8:
        return int8_problems("input", values) + int8_problems("output", output)
    return _int16_problems("input", values) + _int16_problems("output", output)


def _int16_problems(role: str, tensor: Tensor) -> list[str]:
    label = f"its {role} {tensor.name!r}"
    if tensor.dtype is not DType.INT16:
        return [f"{label} is {tensor.dtype.value}; int16 is supported"]
    if tensor.quantization is None:
        return [f"{label} is int16 without quantization; it needs one scale"]
    if tensor.quantization.is_per_channel:
        n_scales = len(tensor.quantization.scales)
        return [f"{label} has {n_scales} scales; one scale for the whole tensor is supported"]
    if tensor.quantization.zero_point:
        return [f"{label} has zero point {tensor.quantization.zero_point}; int16 allows 0"]
    return []


def scale_problems(weights: Tensor, channel_axis: int) -> list[str]:
    """Refuse scales that are neither one nor one per output channel, and zero points."""
    label = f"its weights {weights.name!r}"
    n_channels = weights.shape[channel_axis]
    if weights.quantization is None:
        return [f"{label} are without quantization; they need one scale or one per channel"]
    n_scales = len(weights.quantization.scales)
    if n_scales not in {1, n_channels}:
        return [
            (
                f"{label} have {n_scales} scales; one for the whole tensor or one for each of "
                f"the {n_channels} output channels is supported"
            )
        ]
    problems = []
    if n_scales > 1 and weights.quantization.axis != channel_axis:
        problems.append(
            f"{label} have their scales along axis {weights.quantization.axis}; "
            f"axis {channel_axis}, the output channels, is supported"
        )
    if any(weights.quantization.zero_points):
        found = next(z for z in weights.quantization.zero_points if z)
        problems.append(f"{label} have zero point {found}; 0 is supported")
    return problems


def multiplier_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse scales that no left shift of a sum can express."""
    limit = _MAX_WIDE_MULTIPLIER if has_wide_sums(op, graph) else _MAX_MULTIPLIER
    for channel, real in enumerate(effective_scales(op, graph)):
        if not real < limit:
            return [
                (
                    f"its scales ask for a multiplication of output channel {channel} by {real:g}; "
                    f"less than 2^{limit.hex().partition('p+')[2]} is supported"
                )
            ]
    return []


def sum_problems(op: Op, graph: Graph, channel_axis: int) -> list[str]:
    """Refuse sums of 64 bits that may leave the range which TFLite's rescaling assumes."""
    if not has_wide_sums(op, graph):
        return []
    greatest = int(greatest_sums(op, graph, channel_axis).max())
    if greatest > _MAX_WIDE_SUM:
        return [f"its sums reach {greatest}; up to 2^47 is supported, use a smaller bias"]
    return []


def greatest_sums(op: Op, graph: Graph, channel_axis: int) -> Int64Array:
    """The greatest magnitude of each output channel's sum, over all inputs.

    A 32-bit sum beyond its range wraps around, so that any int32 may come out: 2**31.
    """
    weights = np.moveaxis(array_of(weights_of(op, graph)), channel_axis, 0).astype(np.int64)
    values = graph.tensors[op.inputs[0]]
    zero_point = quantization_of(values).zero_point
    least, greatest = integer_range(values.dtype)
    largest_input = max(zero_point - least, greatest - zero_point)
    sums: Int64Array = np.abs(weights).reshape(len(weights), -1).sum(axis=1) * largest_input
    sums += np.abs(bias_array(op, graph, len(weights)))
    if not has_wide_sums(op, graph):
        sums[sums > INT32_MAX] = -INT32_MIN
    return sums


def effective_scales(op: Op, graph: Graph) -> list[float]:
    """Input scale * weight scale / output scale for each scale of the weights, in double.

    TFLite multiplies and divides in this order; another order may round differently.
    """
    input_scale = quantization_of(graph.tensors[op.inputs[0]]).scale
    output_scale = quantization_of(output_tensor(op, graph)).scale
    weight_scales = quantization_of(weights_of(op, graph)).scales
    return [input_scale * weight_scale / output_scale for weight_scale in weight_scales]


def bias_array(op: Op, graph: Graph, n_channels: int) -> Int64Array:
    """The bias of each output channel, zeros where there is none."""
    bias = bias_of(op, graph)
    if bias is None:
        return np.zeros(n_channels, dtype=np.int64)
    return array_of(bias).reshape(n_channels).astype(np.int64)


def bias_constant(op: Op, graph: Graph, values: Int64Array) -> Constant:
    """Biases as kernels take them: int64 for int16 activations, whatever the model declares."""
    is_int8 = graph.tensors[op.inputs[0]].dtype is DType.INT8
    return constant_of("bias", values.astype(np.int32 if is_int8 else np.int64))


def output_fields(op: Op, graph: Graph, activation: Activation) -> tuple[tuple[str, int], ...]:
    """The parameters of a kernel that say how a rescaled sum becomes an output."""
    output = output_tensor(op, graph)
    least, greatest = activation_range(activation, quantization_of(output), output.dtype)
    bounds = (("output_min", least), ("output_max", greatest))
    if output.dtype is DType.INT8:
        return (("output_zero_point", quantization_of(output).zero_point), *bounds)
    if isinstance(op.attributes, Conv2DAttributes | FullyConnectedAttributes):
        return (("sum_bits", 64 if has_wide_sums(op, graph) else 32), *bounds)
    return bounds


def convolution_fields(op: Op, graph: Graph, activation: Activation) -> tuple[tuple[str, int], ...]:
    """The parameters of a convolution's kernel that follow those of its windows."""
    values = graph.tensors[op.inputs[0]]
    fields = output_fields(op, graph, activation)
    if values.dtype is DType.INT8:
        return (("input_zero_point", quantization_of(values).zero_point), *fields)
    return fields


def _rescaling(op: Op, graph: Graph, n_channels: int) -> tuple[Int32Array, Int32Array]:
    multiplier, shift = multipliers_and_shifts(effective_scales(op, graph))
    if has_wide_sums(op, graph):
        multiplier = np.array([reduced_multiplier(int(m)) for m in multiplier], dtype=np.int32)
    return np.broadcast_to(multiplier, n_channels), np.broadcast_to(shift, n_channels)


def convolution_constants(op: Op, graph: Graph, n_channels: int) -> tuple[Constant, ...]:
    """The weights as they are, and bias, multiplier and shift of each output channel."""
    multiplier, shift = _rescaling(op, graph, n_channels)
    return (
        constant_of("weights", array_of(weights_of(op, graph))),
        bias_constant(op, graph, bias_array(op, graph, n_channels)),
        constant_of("multiplier", multiplier),
        constant_of("shift", shift),
    )


def convolution_output(op: Op, graph: Graph, sums: Array, activation: Activation) -> Array:
    """The output of sums over windows, exact integers with the channels last.

    Every step on 32 bits wraps around, as TFLite's does.
    """
    n_channels = sums.shape[-1]
    accumulators = sums.astype(np.int64) + bias_array(op, graph, n_channels)
    multiplier, shift = _rescaling(op, graph, n_channels)
    if has_wide_sums(op, graph):
        scaled = requantize_wide(accumulators, multiplier, shift)
    else:
        scaled = requantize(wrap_int32(accumulators), multiplier, shift)
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    shifted = wrap_int32(scaled.astype(np.int64) + quantization.zero_point)
    least, greatest = activation_range(activation, quantization, output.dtype)
    return np.clip(shifted, least, greatest).astype(output.dtype.value)
