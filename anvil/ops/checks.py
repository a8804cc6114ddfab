"""What several operators refuse, as the sentences that `check` returns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.requantize import INT32_MAX, integer_range, quantize_multiplier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor

# What operators compute in; the order is that of messages.
DATA_TYPES = (DType.INT8, DType.INT16, DType.FLOAT32)

AttributesT = TypeVar("AttributesT")


def attributes_of(op: Op, expected: type[AttributesT]) -> AttributesT:
    """The op's attributes as the class of its kind; TypeError where an importer mixed them up."""
    if not isinstance(op.attributes, expected):
        msg = f"{op.kind} has {expected.__name__}, found {type(op.attributes).__name__}"
        raise TypeError(msg)
    return op.attributes


def input_tensors(op: Op, graph: Graph) -> tuple[Tensor, ...]:
    """The tensors of the inputs that are given, in order."""
    return tuple(graph.tensors[index] for index in op.inputs if index != ABSENT)


def output_tensor(op: Op, graph: Graph) -> Tensor:
    """The tensor of the op's only output."""
    return graph.tensors[op.outputs[0]]


def arity_problems(op: Op, *, least: int, most: int | None = None) -> list[str]:
    """Refuse a number of inputs outside least..most (no limit: None) and all but one output.

    An absent input is refused too. Other checks may index inputs once this is empty.
    """
    problems = []
    allowed = (
        f"{least}"
        if most == least
        else f"{least} or more"
        if most is None
        else f"{least} to {most}"
    )
    n_given = sum(index != ABSENT for index in op.inputs)
    if n_given != len(op.inputs) or n_given < least or (most is not None and n_given > most):
        problems.append(f"it has {n_given} inputs of {len(op.inputs)} given; it needs {allowed}")
    if len(op.outputs) != 1:
        problems.append(f"it has {len(op.outputs)} outputs; it has 1 where it is supported")
    return problems


def float32_problems(role: str, tensor: Tensor) -> list[str]:
    """Refuse what is not a float32 tensor with elements."""
    if tensor.dtype is not DType.FLOAT32:
        return [f"its {role} {tensor.name!r} is {tensor.dtype.value}; float32 is supported"]
    return _empty_problems(role, tensor)


def int8_problems(role: str, tensor: Tensor) -> list[str]:
    """Refuse what is not an int8 tensor with elements, one scale and one zero point."""
    return _quantized_problems(role, tensor, DType.INT8)


def int16_problems(role: str, tensor: Tensor) -> list[str]:
    """Refuse what is not an int16 tensor with elements, one scale and the zero point 0."""
    return _quantized_problems(role, tensor, DType.INT16)


def _quantized_problems(role: str, tensor: Tensor, dtype: DType) -> list[str]:
    label = f"its {role} {tensor.name!r}"
    if tensor.dtype is not dtype:
        return [f"{label} is {tensor.dtype.value}; {dtype.value} is supported"]
    if tensor.quantization is None:
        return [
            f"{label} is {dtype.value} without quantization; it needs one scale and one zero point"
        ]
    if tensor.quantization.is_per_channel:
        n_scales = len(tensor.quantization.scales)
        return [f"{label} has {n_scales} scales; one scale for the whole tensor is supported"]
    # TFLite's int16 kernels are symmetric.
    least, greatest = integer_range(dtype) if dtype is DType.INT8 else (0, 0)
    zero_point = tensor.quantization.zero_point
    if not least <= zero_point <= greatest:
        allowed = "0 alone" if least == greatest else f"{least} to {greatest}"
        return [f"{label} has zero point {zero_point}; {dtype.value} allows {allowed}"]
    return _empty_problems(role, tensor)


def _empty_problems(role: str, tensor: Tensor) -> list[str]:
    if tensor.n_elements == 0:
        return [
            (
                f"its {role} {tensor.name!r} of shape {list(tensor.shape)} has no elements; "
                "every extent must be at least 1"
            )
        ]
    return []


def data_problems(
    op: Op,
    graph: Graph,
    n_data_inputs: int | None = None,
    dtypes: Sequence[DType] = DATA_TYPES,
) -> list[str]:
    """Refuse all but one type of `dtypes` for the output and the first `n_data_inputs` inputs.

    None counts all inputs. int8 and int16 need one scale each, int16 the zero point 0.
    """
    output = output_tensor(op, graph)
    inputs = input_tensors(op, graph)[:n_data_inputs]
    if output.dtype not in dtypes:
        allowed = ", ".join(dtype.value for dtype in dtypes)
        return [
            f"its {role} {tensor.name!r} is {tensor.dtype.value}; supported are {allowed}"
            for role, tensor in (
                *((f"input {position}", tensor) for position, tensor in enumerate(inputs)),
                ("output", output),
            )
            if tensor.dtype not in dtypes
        ]
    problems = []
    for position, tensor in enumerate(inputs):
        if tensor.dtype is not output.dtype:
            problems.append(
                f"its input {position} {tensor.name!r} is {tensor.dtype.value} and its output "
                f"{output.name!r} {output.dtype.value}; they must be of one type"
            )
        else:
            problems += _typed_problems(f"input {position}", tensor)
    return problems + _typed_problems("output", output)


def _typed_problems(role: str, tensor: Tensor) -> list[str]:
    if tensor.dtype is DType.FLOAT32:
        return float32_problems(role, tensor)
    return _quantized_problems(role, tensor, tensor.dtype)


def same_quantization_problems(op: Op, graph: Graph, n_data_inputs: int | None = None) -> list[str]:
    """Refuse an input whose scale or zero point is not the output's: the op moves raw values."""
    output = output_tensor(op, graph)
    return [
        f"its input {position} {tensor.name!r} has scale {_scales(tensor)} and zero point "
        f"{_zero_points(tensor)}, its output {_scales(output)} and {_zero_points(output)}; "
        "they must be equal, since the op moves values without rescaling them"
        for position, tensor in enumerate(input_tensors(op, graph)[:n_data_inputs])
        if (_scales(tensor), _zero_points(tensor)) != (_scales(output), _zero_points(output))
    ]


def _scales(tensor: Tensor) -> object:
    if tensor.quantization is None:
        return "none"
    scales = tensor.quantization.scales
    return scales if len(scales) > 1 else scales[0]


def _zero_points(tensor: Tensor) -> object:
    if tensor.quantization is None:
        return "none"
    zero_points = tensor.quantization.zero_points
    return zero_points if len(zero_points) > 1 else zero_points[0]


def constant_problems(role: str, tensor: Tensor, dtypes: Sequence[DType]) -> list[str]:
    """Refuse what is computed at run time, or is of another type than `dtypes`."""
    if not tensor.is_constant:
        return [f"its {role} {tensor.name!r} is computed at run time; a constant is supported"]
    if tensor.dtype not in dtypes:
        allowed = " or ".join(dtype.value for dtype in dtypes)
        return [f"its {role} {tensor.name!r} is {tensor.dtype.value}; {allowed} is supported"]
    return []


def shape_problems(output: Tensor, inferred: tuple[int, ...]) -> list[str]:
    """Refuse an output whose declared shape is not what the inputs give."""
    if output.shape != inferred:
        return [
            (
                f"its output {output.name!r} has shape {list(output.shape)}, and its inputs give "
                f"{list(inferred)}; the model contradicts itself"
            )
        ]
    return []


def rescaling_problems(real: float, greatest_value: int) -> list[str]:
    """Refuse a rescaling by `real` whose left shift of |value| <= greatest_value overflows int32.

    TFLite's reference wraps around there, so that its answer means nothing.
    """
    # Scales at the ends of float32 have an infinite ratio.
    overflows = not math.isfinite(real)
    if overflows or greatest_value << max(0, quantize_multiplier(real).shift) > INT32_MAX:
        return [
            (
                f"its scales ask for a multiplication by {real:g}, which overflows 32 bits; "
                "quantize the model with an output scale nearer to its inputs'"
            )
        ]
    return []
