"""Cases for the operators with windows: image, filter, stride, dilation, padding, channels.

Each list is small and awkward on purpose: extents of 1, filters larger than the image,
strides larger than the filter, even filters, channel counts around no multiple of anything.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import (
    Activation,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    Padding,
    Pool2DAttributes,
)
from anvil.core.tensor import DType
from anvil.ops.windows import Axis
from tests.support.kernel_harness import Case
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.tensor import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows over an image of one size."""

    image: tuple[int, int]
    filter: tuple[int, int]
    padding: Padding = Padding.SAME
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    @property
    def output(self) -> tuple[int, int]:
        """The output's height and width."""
        height, width = (
            Axis(
                extent=self.image[i],
                n_taps=self.filter[i],
                stride=self.stride[i],
                dilation=self.dilation[i],
                padding=self.padding,
            ).n_windows
            for i in range(2)
        )
        return height, width

    @property
    def name(self) -> str:
        """Short and unique."""
        parts = [
            "x".join(map(str, pair))
            for pair in (self.image, self.filter, self.stride, self.dilation)
        ]
        return f"{self.padding.value}_i{parts[0]}_f{parts[1]}_s{parts[2]}_d{parts[3]}"


UNDILATED = (
    Windows(image=(1, 1), filter=(1, 1)),
    Windows(image=(1, 1), filter=(3, 3)),
    Windows(image=(1, 1), filter=(4, 2), stride=(2, 3)),
    Windows(image=(2, 3), filter=(5, 5)),
    Windows(image=(3, 3), filter=(4, 6)),
    Windows(image=(5, 7), filter=(3, 3)),
    Windows(image=(5, 7), filter=(3, 3), stride=(2, 2)),
    Windows(image=(8, 6), filter=(2, 2), stride=(2, 2)),
    Windows(image=(7, 6), filter=(2, 4)),
    Windows(image=(7, 9), filter=(2, 1), stride=(3, 4)),
    Windows(image=(6, 5), filter=(1, 1), stride=(5, 2)),
    Windows(image=(4, 1), filter=(3, 1), stride=(1, 1)),
    Windows(image=(1, 1), filter=(1, 1), padding=Padding.VALID),
    Windows(image=(3, 4), filter=(3, 4), padding=Padding.VALID),
    Windows(image=(5, 7), filter=(3, 2), padding=Padding.VALID),
    Windows(image=(9, 8), filter=(2, 3), padding=Padding.VALID, stride=(4, 5)),
    Windows(image=(10, 4), filter=(10, 4), padding=Padding.VALID, stride=(2, 2)),
)
DILATED = (
    Windows(image=(1, 1), filter=(3, 3), dilation=(2, 2)),
    Windows(image=(6, 7), filter=(3, 3), dilation=(2, 3)),
    Windows(image=(4, 4), filter=(3, 2), dilation=(3, 5)),
    Windows(image=(9, 8), filter=(2, 3), dilation=(3, 1), stride=(2, 3)),
    Windows(image=(9, 8), filter=(3, 3), dilation=(2, 3), padding=Padding.VALID),
    Windows(image=(7, 7), filter=(3, 3), dilation=(3, 3), padding=Padding.VALID, stride=(2, 2)),
)
ZERO_POINTS = ((-128, -128), (127, -128), (3, 127), (0, 0), (-5, 7))
ACTIVATIONS = tuple(Activation)


def random_for(name: str) -> np.random.Generator:
    """A generator that depends on the case's name alone."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def convolution_case(
    windows: Windows,
    *,
    input_channels: int,
    filter_channels: int,
    output_channels: int,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, 7),
    scales: tuple[float, float] = (0.04, 0.09),
    weight_scales: Sequence[float] | None = None,
    bias_limit: int = 4000,
    label: str = "",
) -> Case:
    """CONV_2D; weight_scales of None gives one per output channel, of a common magnitude."""
    name = (
        f"conv{label}_{windows.name}_b{batches}_c{input_channels}_{filter_channels}_"
        f"{output_channels}_{fused.value}_z{zero_points[0]}_{zero_points[1]}"
    )
    rng = random_for(name)
    attributes = Conv2DAttributes(
        padding=windows.padding,
        stride_h=windows.stride[0],
        stride_w=windows.stride[1],
        dilation_h=windows.dilation[0],
        dilation_w=windows.dilation[1],
        activation=fused,
    )
    n_products = windows.filter[0] * windows.filter[1] * filter_channels
    given = weight_scales or _weight_scales(rng, output_channels, n_products)
    weights, bias = _weights(
        rng,
        (output_channels, *windows.filter, filter_channels),
        channel_axis=0,
        scales=given,
        input_scale=scales[0],
        bias_limit=bias_limit,
    )
    images = activation(
        "input",
        (batches, *windows.image, input_channels),
        scale=scales[0],
        zero_point=zero_points[0],
    )
    output = activation(
        "output",
        (batches, *windows.output, output_channels),
        scale=scales[1],
        zero_point=zero_points[1],
    )
    return Case(
        name=name,
        graph=one_op_graph("CONV_2D", [images, weights, bias], [output], attributes),
        inputs=(random_array(images, rng),),
    )


def depthwise_case(
    windows: Windows,
    *,
    input_channels: int,
    depth_multiplier: int,
    declared_multiplier: int | None = None,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, 7),
    scales: tuple[float, float] = (0.04, 0.09),
    weight_scales: Sequence[float] | None = None,
    label: str = "",
) -> Case:
    """DEPTHWISE_CONV_2D; declared_multiplier of None declares the true depth multiplier."""
    name = (
        f"depthwise{label}_{windows.name}_b{batches}_c{input_channels}_m{depth_multiplier}_"
        f"{fused.value}_z{zero_points[0]}_{zero_points[1]}"
    )
    rng = random_for(name)
    attributes = DepthwiseConv2DAttributes(
        padding=windows.padding,
        stride_h=windows.stride[0],
        stride_w=windows.stride[1],
        dilation_h=windows.dilation[0],
        dilation_w=windows.dilation[1],
        depth_multiplier=depth_multiplier if declared_multiplier is None else declared_multiplier,
        activation=fused,
    )
    n_channels = input_channels * depth_multiplier
    given = weight_scales or _weight_scales(rng, n_channels, windows.filter[0] * windows.filter[1])
    weights, bias = _weights(
        rng,
        (1, *windows.filter, n_channels),
        channel_axis=3,
        scales=given,
        input_scale=scales[0],
    )
    images = activation(
        "input",
        (batches, *windows.image, input_channels),
        scale=scales[0],
        zero_point=zero_points[0],
    )
    output = activation(
        "output",
        (batches, *windows.output, n_channels),
        scale=scales[1],
        zero_point=zero_points[1],
    )
    return Case(
        name=name,
        graph=one_op_graph("DEPTHWISE_CONV_2D", [images, weights, bias], [output], attributes),
        inputs=(random_array(images, rng),),
    )


def pool_case(
    kind: str,
    windows: Windows,
    *,
    channels: int,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    zero_point: int = 3,
    scale: float | None = 0.05,
    dtype: DType = DType.INT8,
) -> Case:
    """AVERAGE_POOL_2D or MAX_POOL_2D; a scale of None is for floats."""
    name = f"{kind}_{windows.name}_b{batches}_c{channels}_{fused.value}_z{zero_point}"
    rng = random_for(name)
    attributes = Pool2DAttributes(
        padding=windows.padding,
        stride_h=windows.stride[0],
        stride_w=windows.stride[1],
        filter_h=windows.filter[0],
        filter_w=windows.filter[1],
        activation=fused,
    )
    images, output = (
        activation(
            name, (batches, *extents, channels), dtype=dtype, scale=scale, zero_point=zero_point
        )
        for name, extents in (("input", windows.image), ("output", windows.output))
    )
    return Case(
        name=name,
        graph=one_op_graph(kind, [images], [output], attributes),
        inputs=(random_array(images, rng),),
    )


def _weight_scales(rng: np.random.Generator, n_channels: int, n_products: int) -> tuple[float, ...]:
    # Outputs then fill int8 without all of them saturating.
    return tuple(float(s) for s in rng.uniform(0.005, 0.05, n_channels) / n_products**0.5)


def _weights(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    channel_axis: int,
    scales: Sequence[float],
    input_scale: float,
    bias_limit: int = 4000,
) -> tuple[Tensor, Tensor]:
    # -128 occurs in files of other converters, though TFLite's own avoids it.
    values = rng.integers(-128, 127, shape, dtype=np.int8, endpoint=True)
    bias = rng.integers(-bias_limit, bias_limit, shape[channel_axis], dtype=np.int32)
    return (
        constant("weights", values, scales=scales, axis=channel_axis if len(scales) > 1 else 0),
        constant("bias", bias, scales=[scale * input_scale for scale in scales]),
    )
