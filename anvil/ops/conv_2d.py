"""CONV_2D on int8: images NHWC, weights OHWI, plain or grouped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Conv2DAttributes
from anvil.core.plan import KernelCall
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.definition import OperatorDefinition
from anvil.ops.requantize import activation_range, multipliers_and_shifts, requantize, wrap_int32
from anvil.ops.weights import (
    bias_array,
    check_activation_tensor,
    check_multipliers,
    check_weights,
    effective_scales,
    zero_point,
)
from anvil.ops.windows import Axis, padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_CHANNEL_AXIS = 0  # of the weights


def _attributes(op: Op) -> Conv2DAttributes:
    if not isinstance(op.attributes, Conv2DAttributes):
        msg = f"CONV_2D takes Conv2DAttributes, found {type(op.attributes).__name__}"
        raise TypeError(msg)
    return op.attributes


def _axes(op: Op, graph: Graph) -> tuple[Axis, Axis]:
    attributes = _attributes(op)
    _, height, width, _ = graph.tensors[op.inputs[0]].shape
    _, filter_h, filter_w, _ = graph.tensors[op.inputs[1]].shape
    return (
        Axis(
            extent=height,
            n_taps=filter_h,
            stride=attributes.stride_h,
            dilation=attributes.dilation_h,
            padding=attributes.padding,
        ),
        Axis(
            extent=width,
            n_taps=filter_w,
            stride=attributes.stride_w,
            dilation=attributes.dilation_w,
            padding=attributes.padding,
        ),
    )


def _check(op: Op, graph: Graph) -> list[str]:
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    ranks = [
        f"the {role} has {len(tensor.shape)} axes; 4 are supported"
        for role, tensor in (("input", images), ("weights tensor", weights))
        if len(tensor.shape) != 4
    ]
    if ranks:
        return ranks
    wrong = check_activation_tensor("input", images)
    wrong += check_activation_tensor("output", graph.tensors[op.outputs[0]])
    wrong += check_weights(op, graph, _CHANNEL_AXIS)
    for name, axis in zip(("height", "width"), _axes(op, graph), strict=True):
        wrong += axis.check(name)
    input_channels, filter_channels = images.shape[3], weights.shape[3]
    output_channels = weights.shape[0]
    if filter_channels < 1 or input_channels < 1 or input_channels % filter_channels:
        wrong.append(
            f"the input has {input_channels} channels and the filters {filter_channels}; "
            "a multiple of the filters' is supported"
        )
    elif output_channels < 1 or output_channels % (input_channels // filter_channels):
        wrong.append(
            f"{output_channels} output channels are not a multiple of the "
            f"{input_channels // filter_channels} groups"
        )
    return wrong or check_multipliers(op, graph)


def _infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    vertical, horizontal = _axes(op, graph)
    batches = graph.tensors[op.inputs[0]].shape[0]
    output_channels = graph.tensors[op.inputs[1]].shape[0]
    return ((batches, vertical.n_windows, horizontal.n_windows, output_channels),)


def _rescaling(op: Op, graph: Graph) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    multiplier, shift = multipliers_and_shifts(effective_scales(op, graph))
    n_channels = graph.tensors[op.inputs[1]].shape[_CHANNEL_AXIS]
    return np.broadcast_to(multiplier, n_channels), np.broadcast_to(shift, n_channels)


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    images, weights = inputs[0], inputs[1]
    assert images is not None
    assert weights is not None
    vertical, horizontal = _axes(op, graph)
    # Sums of int8 products stay far below 2**53, so that float64 holds every one exactly
    # in whatever order the matrix product adds them.
    centred = images.astype(np.float64) - zero_point(graph.tensors[op.inputs[0]])
    window_source = padded(centred, vertical, horizontal, value=0)
    filters = weights.astype(np.float64)
    n_groups = images.shape[3] // weights.shape[3]
    filters_per_group = weights.shape[0] // n_groups
    ((batches, height, width, n_channels),) = _infer_shapes(op, graph)
    sums = np.zeros((batches, height, width, n_channels))
    for group in range(n_groups):
        outputs = slice(group * filters_per_group, (group + 1) * filters_per_group)
        channels = slice(group * weights.shape[3], (group + 1) * weights.shape[3])
        for y in range(vertical.n_taps):
            for x in range(horizontal.n_taps):
                pixels = window_source[:, vertical.pixels(y), horizontal.pixels(x), channels]
                sums[..., outputs] += pixels @ filters[outputs, y, x, :].T
    accumulators: npt.NDArray[Any] = sums.astype(np.int64) + bias_array(op, graph, n_channels)
    multiplier, shift = _rescaling(op, graph)
    output = graph.tensors[op.outputs[0]]
    scaled = requantize(wrap_int32(accumulators), multiplier, shift).astype(np.int64)
    assert output.quantization is not None
    least, greatest = activation_range(
        _attributes(op).activation, output.quantization, output.dtype
    )
    shifted = wrap_int32(scaled + output.quantization.zero_point)
    return (np.clip(shifted, least, greatest).astype(np.int8),)


def _lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    images, weights = (graph.tensors[index] for index in op.inputs[:2])
    output = graph.tensors[op.outputs[0]]
    assert output.quantization is not None
    attributes = _attributes(op)
    vertical, horizontal = _axes(op, graph)
    ((batches, output_h, output_w, output_channels),) = _infer_shapes(op, graph)
    filter_channels = weights.shape[3]
    output_min, output_max = activation_range(
        attributes.activation, output.quantization, output.dtype
    )
    multiplier, shift = _rescaling(op, graph)
    return (
        KernelCall(
            op="conv_2d",
            dtype="int8",
            parameters=(
                ("batches", batches),
                ("input_h", vertical.extent),
                ("input_w", horizontal.extent),
                ("input_channels", images.shape[3]),
                ("output_h", output_h),
                ("output_w", output_w),
                ("output_channels", output_channels),
                ("filter_h", vertical.n_taps),
                ("filter_w", horizontal.n_taps),
                ("filter_channels", filter_channels),
                ("n_groups", images.shape[3] // filter_channels),
                ("stride_h", vertical.stride),
                ("stride_w", horizontal.stride),
                ("dilation_h", vertical.dilation),
                ("dilation_w", horizontal.dilation),
                ("pad_top", vertical.pad_before),
                ("pad_left", horizontal.pad_before),
                ("input_zero_point", zero_point(images)),
                ("output_zero_point", output.quantization.zero_point),
                ("output_min", output_min),
                ("output_max", output_max),
            ),
            inputs=(op.inputs[0],),
            constants=(
                constant_of("weights", array_of(weights)),
                constant_of("bias", bias_array(op, graph, output_channels)),
                constant_of("multiplier", multiplier),
                constant_of("shift", shift),
            ),
            outputs=(op.outputs[0],),
            n_macs=batches
            * output_h
            * output_w
            * output_channels
            * vertical.n_taps
            * horizontal.n_taps
            * filter_channels,
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
)
