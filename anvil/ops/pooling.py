"""What AVERAGE_POOL_2D and MAX_POOL_2D share: windows over each channel of an NHWC image.

A pool moves raw values: input and output have one quantization, and windows leave the
padding out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.attributes import Pool2DAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.checks import (
    arity_problems,
    attributes_of,
    data_problems,
    output_tensor,
    same_quantization_problems,
    shape_problems,
)
from anvil.ops.elementwise import quantization_of
from anvil.ops.float_activation import float_range
from anvil.ops.requantize import activation_range
from anvil.ops.windows import (
    Axis,
    image_axes,
    rank_problems,
    window_fields,
    window_problems,
)

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Shape

# Of one window: an int32 holds their sum with half a count added, and a float their number.
_MAX_PIXELS = {DType.INT8: 2**23, DType.INT16: 2**15, DType.FLOAT32: 2**24}


def pool_axes(op: Op, graph: Graph) -> tuple[Axis, Axis]:
    """The vertical and the horizontal axis of the windows."""
    attributes = attributes_of(op, Pool2DAttributes)
    return image_axes(
        graph.tensors[op.inputs[0]].shape, (attributes.filter_h, attributes.filter_w), attributes
    )


def pool_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one NHWC image, an output of its type and scale, and sound windows."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    problems = rank_problems("input", graph.tensors[op.inputs[0]])
    if problems:
        return problems
    vertical, horizontal = pool_axes(op, graph)
    problems = data_problems(op, graph) + window_problems(vertical, horizontal)
    n_pixels = min(vertical.n_taps, vertical.extent) * min(horizontal.n_taps, horizontal.extent)
    if problems:
        return problems
    most = _MAX_PIXELS[output_tensor(op, graph).dtype]
    if n_pixels > most:
        return [f"its windows have {n_pixels} pixels; {most} is the most supported"]
    return same_quantization_problems(op, graph) or shape_problems(
        output_tensor(op, graph), pool_shapes(op, graph)[0]
    )


def pool_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The output's shape: one pixel per window, the input's channels."""
    vertical, horizontal = pool_axes(op, graph)
    batches, _, _, channels = graph.tensors[op.inputs[0]].shape
    return ((batches, vertical.n_windows, horizontal.n_windows, channels),)


def pool_output_range(op: Op, graph: Graph) -> tuple[float, float]:
    """The values that the fused activation allows: integers where the type is one."""
    output = output_tensor(op, graph)
    activation = attributes_of(op, Pool2DAttributes).activation
    if output.dtype is DType.FLOAT32:
        return float_range(activation)
    return activation_range(activation, quantization_of(output), output.dtype)


def pool_calls(op: Op, graph: Graph, folder: str) -> tuple[KernelCall, ...]:
    """The call of the kernel in `folder`."""
    vertical, horizontal = pool_axes(op, graph)
    ((batches, output_h, output_w, channels),) = pool_shapes(op, graph)
    output_min, output_max = pool_output_range(op, graph)
    return (
        KernelCall(
            op=folder,
            dtype=output_tensor(op, graph).dtype.value,
            parameters=(
                ("batches", batches),
                ("input_h", vertical.extent),
                ("input_w", horizontal.extent),
                ("channels", channels),
                ("output_h", output_h),
                ("output_w", output_w),
                *window_fields(vertical, horizontal),
                ("output_min", output_min),
                ("output_max", output_max),
            ),
            inputs=(op.inputs[0],),
            constants=(),
            outputs=(op.outputs[0],),
            n_macs=0,
        ),
    )
