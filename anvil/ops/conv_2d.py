"""CONV_2D: images NHWC, weights OHWI, plain or grouped.

In a grouped convolution the input has a multiple of the filters' channels: the channels are
cut into groups, and each group has output channels of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Conv2DAttributes
from anvil.core.plan import KernelCall
from anvil.ops.checks import attributes_of, output_tensor, shape_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.float_weights import TOLERANCE, convolution_sums
from anvil.ops.weighted import (
    convolution_constants,
    convolution_fields,
    convolution_output,
    rescaling_problems,
    tensor_problems,
)
from anvil.ops.weights import arity_problems, is_float, kernel_dtype
from anvil.ops.windows import (
    Axis,
    image_axes,
    padded,
    rank_problems,
    window_fields,
    window_problems,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape


def _axes(op: Op, graph: Graph) -> tuple[Axis, Axis]:
    _, filter_h, filter_w, _ = graph.tensors[op.inputs[1]].shape
    return image_axes(
        graph.tensors[op.inputs[0]].shape,
        (filter_h, filter_w),
        attributes_of(op, Conv2DAttributes),
    )


def _check(op: Op, graph: Graph) -> list[str]:
    problems = arity_problems(op)
    if problems:
        return problems
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    problems = rank_problems("input", images) + rank_problems("weights", weights)
    if problems:
        return problems
    problems = tensor_problems(op, graph, channel_axis=0)
    problems += window_problems(*_axes(op, graph))
    problems += _group_problems(images.shape[3], weights.shape[3], weights.shape[0])
    if problems:
        return problems
    return rescaling_problems(op, graph, channel_axis=0) + shape_problems(
        output_tensor(op, graph), _infer_shapes(op, graph)[0]
    )


def _group_problems(input_channels: int, filter_channels: int, output_channels: int) -> list[str]:
    if min(input_channels, filter_channels, output_channels) < 1:
        return [
            (
                f"it has {input_channels} input channels, {filter_channels} in each filter and "
                f"{output_channels} output channels; there must be at least 1 of each"
            )
        ]
    if input_channels % filter_channels:
        return [
            (
                f"its input has {input_channels} channels and each filter {filter_channels}; "
                "the input's must be a multiple of the filter's"
            )
        ]
    n_groups = input_channels // filter_channels
    if output_channels % n_groups:
        return [
            (
                f"its {output_channels} output channels cannot be shared among {n_groups} groups "
                f"of {filter_channels} input channels; they must be a multiple of the groups"
            )
        ]
    return []


def _infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    vertical, horizontal = _axes(op, graph)
    batches = graph.tensors[op.inputs[0]].shape[0]
    output_channels = graph.tensors[op.inputs[1]].shape[0]
    return ((batches, vertical.n_windows, horizontal.n_windows, output_channels),)


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    images, weights = inputs[0], inputs[1]
    assert images is not None
    assert weights is not None
    sums: Array
    if is_float(op, graph):
        sums = convolution_sums(
            images.astype(np.float32), weights.astype(np.float32), _axes(op, graph)
        )
    else:
        sums = _exact_sums(op, graph, images, weights)
    return (convolution_output(op, graph, sums, attributes_of(op, Conv2DAttributes).activation),)


def _exact_sums(op: Op, graph: Graph, images: Array, weights: Array) -> npt.NDArray[np.float64]:
    vertical, horizontal = _axes(op, graph)
    # Sums of integer products stay below 2**53, so that float64 holds every one exactly in
    # whatever order the matrix product adds them.
    centred = images.astype(np.float64) - quantization_of(graph.tensors[op.inputs[0]]).zero_point
    pixels = padded(centred, vertical, horizontal, value=0)
    filters = weights.astype(np.float64)
    filter_channels = weights.shape[3]
    n_groups = images.shape[3] // filter_channels
    filters_per_group = weights.shape[0] // n_groups
    sums = np.zeros(_infer_shapes(op, graph)[0])
    for group in range(n_groups):
        outputs = slice(group * filters_per_group, (group + 1) * filters_per_group)
        channels = slice(group * filter_channels, (group + 1) * filter_channels)
        for y in range(vertical.n_taps):
            for x in range(horizontal.n_taps):
                tap = pixels[:, vertical.pixels(y), horizontal.pixels(x), channels]
                sums[..., outputs] += tap @ filters[outputs, y, x, :].T
    return sums


def _lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    vertical, horizontal = _axes(op, graph)
    ((batches, output_h, output_w, output_channels),) = _infer_shapes(op, graph)
    filter_channels = weights.shape[3]
    return (
        KernelCall(
            op="conv_2d",
            dtype=kernel_dtype(op, graph),
            parameters=(
                ("batches", batches),
                ("input_h", vertical.extent),
                ("input_w", horizontal.extent),
                ("input_channels", images.shape[3]),
                ("output_h", output_h),
                ("output_w", output_w),
                ("output_channels", output_channels),
                ("filter_channels", filter_channels),
                ("n_groups", images.shape[3] // filter_channels),
                *window_fields(vertical, horizontal),
                ("dilation_h", vertical.dilation),
                ("dilation_w", horizontal.dilation),
                *convolution_fields(op, graph, attributes_of(op, Conv2DAttributes).activation),
            ),
            inputs=(op.inputs[0],),
            constants=convolution_constants(op, graph, output_channels),
            outputs=(op.outputs[0],),
            n_macs=batches * output_h * output_w * math.prod(weights.shape),
        ),
    )


DEFINITION = OperatorDefinition(
    kind="CONV_2D",
    folder="conv_2d",
    is_alias=False,
    check=_check,
    infer_shapes=_infer_shapes,
    reference=_reference,
    lower=_lower,
    tolerance=TOLERANCE,
)
