"""Where the windows of convolutions and pools lie on one axis of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Margins, Padding, Pool2DAttributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.attributes import Conv2DAttributes, DepthwiseConv2DAttributes
    from anvil.core.tensor import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The windows along one axis: the n-th one starts at `n * stride - pad_before`."""

    extent: int  # pixels of the input
    n_taps: int  # pixels that one window reads
    stride: int
    dilation: int  # distance between two of its pixels
    padding: Padding
    margins: tuple[int, int] = (0, 0)  # before and after the image, of EXPLICIT padding alone

    @property
    def reach(self) -> int:
        """Pixels from a window's first to its last tap, both included."""
        return (self.n_taps - 1) * self.dilation + 1

    @property
    def n_windows(self) -> int:
        """The output's extent; below 1 where VALID windows do not fit."""
        if self.padding is Padding.SAME:
            return -(-self.extent // self.stride)
        return (self.extent + sum(self.margins) - self.reach) // self.stride + 1

    @property
    def pad_before(self) -> int:
        """Padding before the first pixel: the smaller half where SAME padding is odd."""
        if self.padding is Padding.EXPLICIT:
            return self.margins[0]
        needed = (self.n_windows - 1) * self.stride + self.reach - self.extent
        return max(0, needed) // 2

    @property
    def pad_after(self) -> int:
        """Padding after the last pixel, as far as a window reaches."""
        needed = (self.n_windows - 1) * self.stride + self.reach - self.extent
        return max(0, needed - self.pad_before)

    def pixels(self, tap: int) -> slice:
        """The pixels of the padded input that tap number `tap` of every window reads."""
        start = tap * self.dilation
        return slice(start, start + (self.n_windows - 1) * self.stride + 1, self.stride)

    def problems(self, direction: str) -> list[str]:
        """Refuse windows of no pixels and VALID windows that reach beyond the image."""
        problems = [
            f"its {what} along the {direction} is {value}; it must be at least 1"
            for what, value in (
                ("image", self.extent),
                ("filter", self.n_taps),
                ("stride", self.stride),
                ("dilation", self.dilation),
            )
            if value < 1
        ]
        # SAME and VALID windows do so by themselves, and kernels count on it.
        if not problems and max(self.margins) >= self.reach:
            problems.append(
                f"its margins along the {direction} are {list(self.margins)}, and its filter "
                f"reaches over {self.reach} pixels; every window must meet the image"
            )
        if not problems and self.n_windows < 1:
            problems.append(
                f"its filter reaches over {self.reach} pixels along the {direction}, and the "
                f"image has {self.extent}; with VALID padding it must fit into the image"
            )
        return problems


def padded(
    images: npt.NDArray[Any], vertical: Axis, horizontal: Axis, *, value: int
) -> npt.NDArray[Any]:
    """NHWC `images` with `value` around them, as far as a window reaches."""
    return np.pad(
        images,
        (
            (0, 0),
            (vertical.pad_before, vertical.pad_after),
            (horizontal.pad_before, horizontal.pad_after),
            (0, 0),
        ),
        constant_values=value,
    )


def image_axes(
    image: Sequence[int],
    window: tuple[int, int],
    attributes: Conv2DAttributes | DepthwiseConv2DAttributes | Pool2DAttributes,
) -> tuple[Axis, Axis]:
    """The vertical and the horizontal axis of an NHWC image under windows of (height, width)."""
    dilation = (1, 1)
    if not isinstance(attributes, Pool2DAttributes):
        dilation = (attributes.dilation_h, attributes.dilation_w)
    margins = attributes.margins if attributes.padding is Padding.EXPLICIT else Margins()
    return (
        Axis(
            extent=image[1],
            n_taps=window[0],
            stride=attributes.stride_h,
            dilation=dilation[0],
            padding=attributes.padding,
            margins=(margins.top, margins.bottom),
        ),
        Axis(
            extent=image[2],
            n_taps=window[1],
            stride=attributes.stride_w,
            dilation=dilation[1],
            padding=attributes.padding,
            margins=(margins.left, margins.right),
        ),
    )


def rank_problems(role: str, tensor: Tensor) -> list[str]:
    """Refuse what is not a tensor of rank 4."""
    if len(tensor.shape) == 4:
        return []
    return [f"its {role} {tensor.name!r} has shape {list(tensor.shape)}; 4 axes are supported"]


def window_problems(vertical: Axis, horizontal: Axis) -> list[str]:
    """Refuse windows of no pixels and, with VALID padding, beyond the image."""
    return vertical.problems("height") + horizontal.problems("width")


def window_fields(vertical: Axis, horizontal: Axis) -> tuple[tuple[str, int], ...]:
    """The parameters of a kernel that say where its windows lie."""
    return (
        ("filter_h", vertical.n_taps),
        ("filter_w", horizontal.n_taps),
        ("stride_h", vertical.stride),
        ("stride_w", horizontal.stride),
        ("pad_top", vertical.pad_before),
        ("pad_left", horizontal.pad_before),
    )
