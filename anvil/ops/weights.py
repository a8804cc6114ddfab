"""What the operators with constant int8 weights share: checks, scales and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Quantization, Tensor

_MAX_MULTIPLIER = 2.0**30  # a left shift by more than 30 bits leaves nothing of an int32


def check_activation_tensor(role: str, tensor: Tensor) -> list[str]:
    """What is wrong with an int8 input or output that has one scale, one sentence each."""
    if tensor.dtype is not DType.INT8:
        return [f"the {role} is {tensor.dtype.value}; int8 is supported"]
    if tensor.quantization is None:
        return [f"the {role} has no scale; an int8 tensor needs one"]
    if tensor.quantization.is_per_channel:
        n_scales = len(tensor.quantization.scales)
        return [f"the {role} has {n_scales} scales; one for the whole tensor is supported"]
    return []


def check_weights(op: Op, graph: Graph, channel_axis: int) -> list[str]:
    """What is wrong with the weights and bias of an operator, one sentence each.

    Input 1 holds the weights, input 2, where there is one, the bias.
    """
    wrong: list[str] = []
    weights = graph.tensors[op.inputs[1]]
    n_channels = weights.shape[channel_axis]
    if weights.dtype is not DType.INT8:
        wrong.append(f"the weights are {weights.dtype.value}; int8 is supported")
    if not weights.is_constant:
        wrong.append("the weights are computed at run time; constant weights are supported")
    if weights.quantization is None:
        wrong.append("the weights have no scale; int8 weights need one")
    else:
        n_scales = len(weights.quantization.scales)
        if n_scales not in {1, n_channels}:
            wrong.append(
                f"the weights have {n_scales} scales; one, or one for each of the "
                f"{n_channels} output channels, is supported"
            )
        elif n_scales > 1 and weights.quantization.axis != channel_axis:
            wrong.append(
                f"the weights have their scales along axis {weights.quantization.axis}; "
                f"axis {channel_axis}, the output channels, is supported"
            )
        if any(weights.quantization.zero_points):
            found = next(z for z in weights.quantization.zero_points if z)
            wrong.append(f"the weights have zero point {found}; 0 is supported")
    bias = bias_tensor(op, graph)
    if bias is not None:
        if bias.dtype is not DType.INT32:
            wrong.append(f"the bias is {bias.dtype.value}; int32 is supported")
        if not bias.is_constant:
            wrong.append("the bias is computed at run time; a constant bias is supported")
        if bias.n_elements != n_channels:
            wrong.append(
                f"the bias has {bias.n_elements} values; one for each of the "
                f"{n_channels} output channels is supported"
            )
    return wrong


def check_multipliers(op: Op, graph: Graph) -> list[str]:
    """What is wrong with the scales of input, weights and output taken together."""
    return [
        f"input scale * weight scale / output scale is {real:g} for output channel {channel}; "
        f"less than 2^30 is supported"
        for channel, real in enumerate(effective_scales(op, graph))
        if not real < _MAX_MULTIPLIER
    ][:1]


def effective_scales(op: Op, graph: Graph) -> list[float]:
    """input scale * weight scale / output scale for each scale of the weights, in double.

    TFLite multiplies and divides in this order; another order may round differently.
    """
    input_scale = _quantization(graph.tensors[op.inputs[0]]).scale
    output_scale = _quantization(graph.tensors[op.outputs[0]]).scale
    weight_scales = _quantization(graph.tensors[op.inputs[1]]).scales
    return [input_scale * weight_scale / output_scale for weight_scale in weight_scales]


def bias_tensor(op: Op, graph: Graph) -> Tensor | None:
    """The bias, where the operator has one."""
    if len(op.inputs) < 3 or op.inputs[2] == ABSENT:
        return None
    return graph.tensors[op.inputs[2]]


def bias_array(op: Op, graph: Graph, n_channels: int) -> npt.NDArray[np.int32]:
    """The bias of each output channel, zeros where there is none."""
    bias = bias_tensor(op, graph)
    if bias is None:
        return np.zeros(n_channels, dtype=np.int32)
    values: npt.NDArray[Any] = array_of(bias)
    return values.reshape(-1).astype(np.int32)


def zero_point(tensor: Tensor) -> int:
    """The one zero point of a quantized tensor."""
    return _quantization(tensor).zero_point


def _quantization(tensor: Tensor) -> Quantization:
    if tensor.quantization is None:
        msg = f"tensor {tensor.name!r} has no quantization; the operator's check comes first"
        raise ValueError(msg)
    return tensor.quantization
