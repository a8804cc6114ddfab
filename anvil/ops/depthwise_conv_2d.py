"""DEPTHWISE_CONV_2D: images NHWC, weights 1HWC.

Input channel c gives output channels c * m to c * m + m - 1, m being the depth multiplier.
TFLite derives m from the channels and ignores what the file says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import DepthwiseConv2DAttributes
from anvil.core.plan import KernelCall
from anvil.ops.checks import attributes_of, output_tensor, shape_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.float_weights import TOLERANCE, depthwise_sums
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
        attributes_of(op, DepthwiseConv2DAttributes),
    )


def _depth_multiplier(op: Op, graph: Graph) -> int:
    return graph.tensors[op.inputs[1]].shape[3] // graph.tensors[op.inputs[0]].shape[3]


def _check(op: Op, graph: Graph) -> list[str]:
    problems = arity_problems(op)
    if problems:
        return problems
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    problems = rank_problems("input", images) + rank_problems("weights", weights)
    if problems:
        return problems
    problems = tensor_problems(op, graph, channel_axis=3)
    problems += window_problems(*_axes(op, graph))
    if weights.shape[0] != 1:
        problems.append(
            f"its weights {weights.name!r} have shape {list(weights.shape)}; "
            "the first extent must be 1"
        )
    input_channels, output_channels = images.shape[3], weights.shape[3]
    if min(input_channels, output_channels) < 1 or output_channels % input_channels:
        problems.append(
            f"it has {input_channels} input channels and {output_channels} output channels; "
            "the output's must be a multiple of the input's"
        )
    if problems:
        return problems
    declared = attributes_of(op, DepthwiseConv2DAttributes).depth_multiplier
    if declared not in {0, _depth_multiplier(op, graph)}:
        problems.append(
            f"its depth multiplier is {declared}, and {output_channels} output channels of "
            f"{input_channels} input channels make {_depth_multiplier(op, graph)}; "
            "the model contradicts itself"
        )
    problems += rescaling_problems(op, graph, channel_axis=3)
    return problems + shape_problems(output_tensor(op, graph), _infer_shapes(op, graph)[0])


def _infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    vertical, horizontal = _axes(op, graph)
    batches = graph.tensors[op.inputs[0]].shape[0]
    output_channels = graph.tensors[op.inputs[1]].shape[3]
    return ((batches, vertical.n_windows, horizontal.n_windows, output_channels),)


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    images, weights = inputs[0], inputs[1]
    assert images is not None
    assert weights is not None
    sums: Array
    if is_float(op, graph):
        sums = depthwise_sums(
            images.astype(np.float32), weights.astype(np.float32), _axes(op, graph)
        )
    else:
        sums = _exact_sums(op, graph, images, weights)
    activation = attributes_of(op, DepthwiseConv2DAttributes).activation
    return (convolution_output(op, graph, sums, activation),)


def _exact_sums(op: Op, graph: Graph, images: Array, weights: Array) -> npt.NDArray[np.float64]:
    vertical, horizontal = _axes(op, graph)
    centred = images.astype(np.float64) - quantization_of(graph.tensors[op.inputs[0]]).zero_point
    pixels = padded(centred, vertical, horizontal, value=0)
    pixels = np.repeat(pixels, _depth_multiplier(op, graph), axis=3)
    filters = weights.astype(np.float64)
    sums = np.zeros(_infer_shapes(op, graph)[0])
    for y in range(vertical.n_taps):
        for x in range(horizontal.n_taps):
            sums += pixels[:, vertical.pixels(y), horizontal.pixels(x), :] * filters[0, y, x]
    return sums


def _lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    vertical, horizontal = _axes(op, graph)
    ((batches, output_h, output_w, output_channels),) = _infer_shapes(op, graph)
    return (
        KernelCall(
            op="depthwise_conv_2d",
            dtype=kernel_dtype(op, graph),
            parameters=(
                ("batches", batches),
                ("input_h", vertical.extent),
                ("input_w", horizontal.extent),
                ("input_channels", images.shape[3]),
                ("output_h", output_h),
                ("output_w", output_w),
                ("depth_multiplier", _depth_multiplier(op, graph)),
                *window_fields(vertical, horizontal),
                ("dilation_h", vertical.dilation),
                ("dilation_w", horizontal.dilation),
                *convolution_fields(
                    op, graph, attributes_of(op, DepthwiseConv2DAttributes).activation
                ),
            ),
            inputs=(op.inputs[0],),
            constants=convolution_constants(op, graph, output_channels),
            outputs=(op.outputs[0],),
            n_macs=batches * output_h * output_w * math.prod(weights.shape),
        ),
    )


DEFINITION = OperatorDefinition(
    kind="DEPTHWISE_CONV_2D",
    folder="depthwise_conv_2d",
    is_alias=False,
    check=_check,
    infer_shapes=_infer_shapes,
    reference=_reference,
    lower=_lower,
    tolerance=TOLERANCE,
)
