"""What the operators with constant int8 weights share: checks, scales, biases, rescaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.checks import constant_problems, int8_problems, output_tensor
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import (
    activation_range,
    multipliers_and_shifts,
    requantize,
    wrap_int32,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant
    from anvil.core.tensor import Tensor

    Int32Array = npt.NDArray[np.int32]

_MAX_MULTIPLIER = 2.0**30  # a left shift by more than 30 bits leaves nothing of an int32


def arity_problems(op: Op) -> list[str]:
    """Refuse all but an input, weights, an optional bias and one output.

    Other checks may index inputs once this is empty.
    """
    problems = []
    if len(op.inputs) not in {2, 3} or ABSENT in op.inputs[:2]:
        n_given = sum(index != ABSENT for index in op.inputs)
        problems.append(
            f"it has {n_given} inputs of {len(op.inputs)} given; "
            "it needs an input and weights, and may have a bias"
        )
    if len(op.outputs) != 1:
        problems.append(f"it has {len(op.outputs)} outputs; it has 1 where it is supported")
    return problems


def tensor_problems(op: Op, graph: Graph, channel_axis: int) -> list[str]:
    """Refuse what is not an int8 input and output, constant int8 weights and an int32 bias.

    channel_axis: the axis of the weights that counts output channels.
    """
    weights = graph.tensors[op.inputs[1]]
    n_channels = weights.shape[channel_axis]
    problems = int8_problems("input", graph.tensors[op.inputs[0]])
    problems += int8_problems("output", output_tensor(op, graph))
    problems += constant_problems("weights", weights, [DType.INT8])
    problems += _weight_scale_problems(weights, channel_axis)
    bias = bias_tensor(op, graph)
    if bias is not None:
        problems += constant_problems("bias", bias, [DType.INT32])
        if bias.n_elements != n_channels:
            problems.append(
                f"its bias {bias.name!r} has {bias.n_elements} values; "
                f"it needs one for each of the {n_channels} output channels"
            )
    return problems


def _weight_scale_problems(weights: Tensor, channel_axis: int) -> list[str]:
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
    """Refuse scales that no left shift of an int32 can express."""
    for channel, real in enumerate(effective_scales(op, graph)):
        if not real < _MAX_MULTIPLIER:
            return [
                (
                    f"its scales ask for a multiplication of output channel {channel} by {real:g}; "
                    "less than 2^30 is supported"
                )
            ]
    return []


def effective_scales(op: Op, graph: Graph) -> list[float]:
    """Input scale * weight scale / output scale for each scale of the weights, in double.

    TFLite multiplies and divides in this order; another order may round differently.
    """
    input_scale = quantization_of(graph.tensors[op.inputs[0]]).scale
    output_scale = quantization_of(output_tensor(op, graph)).scale
    weight_scales = quantization_of(graph.tensors[op.inputs[1]]).scales
    return [input_scale * weight_scale / output_scale for weight_scale in weight_scales]


def bias_tensor(op: Op, graph: Graph) -> Tensor | None:
    """The bias, where the operator has one."""
    if len(op.inputs) < 3 or op.inputs[2] == ABSENT:
        return None
    return graph.tensors[op.inputs[2]]


def bias_array(op: Op, graph: Graph, n_channels: int) -> Int32Array:
    """The bias of each output channel, zeros where there is none."""
    bias = bias_tensor(op, graph)
    if bias is None:
        return np.zeros(n_channels, dtype=np.int32)
    return array_of(bias).reshape(n_channels).astype(np.int32)


def output_fields(op: Op, graph: Graph, activation: Activation) -> tuple[tuple[str, int], ...]:
    """The parameters of a kernel that say how a rescaled sum becomes an output."""
    output = output_tensor(op, graph)
    least, greatest = activation_range(activation, quantization_of(output), output.dtype)
    return (
        ("output_zero_point", quantization_of(output).zero_point),
        ("output_min", least),
        ("output_max", greatest),
    )


def _rescaling(op: Op, graph: Graph, n_channels: int) -> tuple[Int32Array, Int32Array]:
    multiplier, shift = multipliers_and_shifts(effective_scales(op, graph))
    return np.broadcast_to(multiplier, n_channels), np.broadcast_to(shift, n_channels)


def convolution_constants(op: Op, graph: Graph, n_channels: int) -> tuple[Constant, ...]:
    """The weights as they are, and bias, multiplier and shift of each output channel."""
    multiplier, shift = _rescaling(op, graph, n_channels)
    return (
        constant_of("weights", array_of(graph.tensors[op.inputs[1]])),
        constant_of("bias", bias_array(op, graph, n_channels)),
        constant_of("multiplier", multiplier),
        constant_of("shift", shift),
    )


def convolution_output(
    op: Op, graph: Graph, sums: npt.NDArray[np.float64], activation: Activation
) -> npt.NDArray[np.int8]:
    """The int8 output of sums over windows, exact integers with the channels last.

    Every step wraps around in 32 bits, as TFLite's does.
    """
    n_channels = sums.shape[-1]
    accumulators: npt.NDArray[Any] = sums.astype(np.int64) + bias_array(op, graph, n_channels)
    multiplier, shift = _rescaling(op, graph, n_channels)
    scaled = requantize(wrap_int32(accumulators), multiplier, shift)
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    shifted = wrap_int32(scaled.astype(np.int64) + quantization.zero_point)
    least, greatest = activation_range(activation, quantization, output.dtype)
    return np.clip(shifted, least, greatest).astype(np.int8)
