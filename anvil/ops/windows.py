"""Where the windows of convolutions and pools lie on one axis of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Padding

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The windows along one axis: the n-th one starts at `n * stride - pad_before`."""

    extent: int  # pixels of the input
    n_taps: int  # pixels that one window reads
    stride: int
    dilation: int  # distance between two of its pixels
    padding: Padding

    @property
    def reach(self) -> int:
        """Pixels from a window's first to its last tap, both included."""
        return (self.n_taps - 1) * self.dilation + 1

    @property
    def n_windows(self) -> int:
        """The output's extent; below 1 where VALID windows do not fit."""
        if self.padding is Padding.SAME:
            return -(-self.extent // self.stride)
        return (self.extent - self.reach) // self.stride + 1

    @property
    def pad_before(self) -> int:
        """Padding before the first pixel: the smaller half where SAME padding is odd."""
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

    def check(self, name: str) -> list[str]:
        """What is wrong with the windows, one sentence each."""
        wrong = [
            f"{what} along the {name} is {value}; at least 1 is supported"
            for what, value in (
                ("the image's extent", self.extent),
                ("the filter's extent", self.n_taps),
                ("the stride", self.stride),
                ("the dilation", self.dilation),
            )
            if value < 1
        ]
        if not wrong and self.n_windows < 1:
            wrong.append(
                f"the filter reaches over {self.reach} pixels along the {name} and the image "
                f"has {self.extent}; VALID padding needs an image that is as large"
            )
        return wrong


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
