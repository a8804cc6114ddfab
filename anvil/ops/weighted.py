"""What the operators with weights share, by the type that they compute in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from anvil.core.tensor import DType
from anvil.ops import float_weights, integer_weights
from anvil.ops.checks import constant_problems
from anvil.ops.weights import before_expansion, bias_of, is_float, weights_of

if TYPE_CHECKING:
    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant
    from anvil.ops.definition import Array
    from anvil.ops.float_weights import Float32Array


def tensor_problems(op: Op, graph: Graph, channel_axis: int) -> list[str]:
    """Refuse element types, scales and biases that TFLite's reference kernels do not take.

    channel_axis: the axis of the weights that counts output channels.
    """
    values, weights, bias = graph.tensors[op.inputs[0]], weights_of(op, graph), bias_of(op, graph)
    match values.dtype:
        case DType.FLOAT32:
            problems = float_weights.data_problems(op, graph)
            weights_dtype = bias_dtype = DType.FLOAT32
        case DType.INT8 | DType.INT16:
            problems = integer_weights.data_problems(op, graph)
            problems += integer_weights.scale_problems(weights, channel_axis)
            weights_dtype, bias_dtype = DType.INT8, integer_weights.bias_dtype(op, graph)
        case _:
            found = f"its input {values.name!r} is {values.dtype.value}"
            return [f"{found}; int8, int16 and float32 are supported"]
    problems += _constant_problems(op, graph, 1, weights_dtype)
    if bias is not None:
        problems += _constant_problems(op, graph, 2, bias_dtype)
        n_channels = weights.shape[channel_axis]
        if bias.n_elements != n_channels:
            problems.append(
                f"its bias {bias.name!r} has {bias.n_elements} values; "
                f"it needs one for each of the {n_channels} output channels"
            )
    return problems


def _constant_problems(op: Op, graph: Graph, position: int, dtype: DType) -> list[str]:
    index = op.inputs[position]
    if before_expansion(graph, index) is not graph.tensors[index]:
        return []
    return constant_problems(("weights", "bias")[position - 1], graph.tensors[index], (dtype,))


def rescaling_problems(op: Op, graph: Graph, channel_axis: int) -> list[str]:
    """Refuse what no rescaling in fixed point can express; `tensor_problems` found nothing."""
    if is_float(op, graph):
        return []
    return integer_weights.multiplier_problems(op, graph) + integer_weights.sum_problems(
        op, graph, channel_axis
    )


def convolution_fields(
    op: Op, graph: Graph, activation: Activation
) -> tuple[tuple[str, int | float], ...]:
    """The parameters of a convolution's kernel that follow those of its windows."""
    if is_float(op, graph):
        return float_weights.output_fields(activation)
    return integer_weights.convolution_fields(op, graph, activation)


def convolution_constants(op: Op, graph: Graph, n_channels: int) -> tuple[Constant, ...]:
    """The weights as they are, a bias for each output channel, and how to rescale its sum."""
    if is_float(op, graph):
        return float_weights.constants(op, graph, n_channels)
    return integer_weights.convolution_constants(op, graph, n_channels)


def convolution_output(op: Op, graph: Graph, sums: Array, activation: Activation) -> Array:
    """The output of sums over windows, the channels last; the bias is not in them."""
    if is_float(op, graph):
        return float_weights.output(op, graph, cast("Float32Array", sums), activation)
    return integer_weights.convolution_output(op, graph, sums, activation)
