"""Whether a cheap way to rescale sums gives the reference's outputs, proved at build time.

What the reference makes of a sum never falls as the sum rises, so that over int8 outputs it is
a staircase of at most 255 steps. So is any cheap form that never falls either. Two such functions
are equal on a range of sums if they are equal at its ends and on both sides of each step.

Sums are of the kernel's products with the input's zero point taken off, the bias included. All
arrays have one entry, or one row, for each output channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import INT32_MAX, INT32_MIN, requantize

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Int64Array = npt.NDArray[np.int64]
    # (channels, n) sums -> (channels, n) outputs; never falling along the second axis.
    Staircase = Callable[[Int64Array], Int64Array]

INT8_MIN, INT8_MAX = -128, 127
_LEAST_SCALE = 2.0**-40  # any less, and no sum reaches the first step
_NEAR = 2  # between these to either side of where a line has it, nearly every step lies


@dataclass(frozen=True, slots=True, kw_only=True)
class SumRange:
    """The least and the greatest sum of each channel over all int8 inputs; int64."""

    low: Int64Array
    high: Int64Array

    def fits_after(self, shift: npt.NDArray[np.int32]) -> bool:
        """Whether no sum wraps around when it is shifted left, where `shift` is positive."""
        left = np.maximum(shift.astype(np.int64), 0)
        return bool(
            (self.low << left >= INT32_MIN).all() and (self.high << left <= INT32_MAX).all()
        )

    @property
    def fits_int32(self) -> bool:
        """Whether no sum wraps around, in any order of its additions."""
        return bool((self.low >= INT32_MIN).all() and (self.high <= INT32_MAX).all())


def sum_range(
    weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], zero_point: int
) -> SumRange:
    """What the sums of each channel lie between.

    weights: (channels, products of one sum); bias: (channels,); zero_point: of the input, 0
    where the bias holds it already. Taps that lie outside of the image add 0, which is inside.
    """
    wide = weights.astype(np.int64)
    positive = np.where(wide > 0, wide, 0).sum(axis=1)
    negative = np.where(wide < 0, wide, 0).sum(axis=1)
    least, greatest = INT8_MIN - zero_point, INT8_MAX - zero_point
    start = bias.astype(np.int64)
    # Partial sums too: each begins at the bias and moves towards one of these.
    low = start + np.minimum(positive * least + negative * greatest, 0)
    high = start + np.maximum(positive * greatest + negative * least, 0)
    return SumRange(low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A staircase of which it is known about where its steps are."""

    outputs: Staircase
    scales: npt.NDArray[np.float64]  # for each channel
    zero_point: int

    def __call__(self, sums: Int64Array) -> Int64Array:
        """(channels, n) sums -> (channels, n) outputs."""
        return self.outputs(sums)

    def near(self, levels: Int64Array) -> Int64Array:
        """(channels, levels) sums a few away from the least whose output reaches the level."""
        distances = levels - (self.zero_point + 0.5)
        sums = distances / np.maximum(self.scales[:, None], _LEAST_SCALE)
        return np.rint(sums).astype(np.int64)


def rounded_twice(
    multiplier: npt.NDArray[np.int32],
    shift: npt.NDArray[np.int32],
    zero_point: int,
    least: int,
    greatest: int,
) -> Staircase:
    """Outputs of convolutions, ADD and pools: gemmlowp's double rounding, then the activation.

    Right where neither a sum nor its left shift wraps around: SumRange.fits_after(shift).
    """

    def staircase(sums: Int64Array) -> Int64Array:
        scaled = requantize(sums, multiplier[:, None], shift[:, None]).astype(np.int64)
        return np.clip(scaled + zero_point, least, greatest)

    scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
    return Reference(outputs=staircase, scales=scales, zero_point=zero_point)


def rounded_once(
    scales: npt.NDArray[np.float64], zero_point: int, least: int, greatest: int
) -> Staircase:
    """Outputs of FULLY_CONNECTED: the product in float64, rounded once, halves away from zero."""

    def staircase(sums: Int64Array) -> Int64Array:
        products = sums.astype(np.float64) * scales[:, None]
        whole = np.trunc(products)
        rounded = (whole + np.trunc(2.0 * (products - whole))).astype(np.int64)
        return np.clip(rounded + zero_point, least, greatest)

    return Reference(outputs=staircase, scales=scales, zero_point=zero_point)


def scales_of(
    multiplier: npt.NDArray[np.int32],
    multiplier_low: npt.NDArray[np.int32],
    shift: npt.NDArray[np.int32],
) -> npt.NDArray[np.float64]:
    """The float64 scales that FULLY_CONNECTED's constants were made from, exactly."""
    mantissas = multiplier.astype(np.int64) * 2**31 + multiplier_low.astype(np.int64)
    scales: npt.NDArray[np.float64] = np.ldexp(mantissas.astype(np.float64), shift - 62)
    return scales


def step_sums(function: Staircase, sums: SumRange) -> Int64Array:
    """For each channel the sums where a difference would show: (channels, n), not sorted.

    The range's ends, and both sides of each of the 255 steps that lie inside.
    """
    levels = np.arange(INT8_MIN + 1, INT8_MAX + 1, dtype=np.int64)
    n_channels = len(sums.low)
    # The smallest sum whose output reaches each level, by bisection over (below, reaching].
    below = np.broadcast_to(sums.low[:, None] - 1, (n_channels, levels.size)).copy()
    reaching = np.broadcast_to(sums.high[:, None], (n_channels, levels.size)).copy()

    def look(at: Int64Array) -> None:
        is_new = (below < at) & (at < reaching)
        is_there = function(np.clip(at, sums.low[:, None], sums.high[:, None])) >= levels
        np.copyto(reaching, at, where=is_new & is_there)
        np.copyto(below, at, where=is_new & ~is_there)

    if isinstance(function, Reference):
        near = function.near(levels)
        for distance in (-_NEAR, _NEAR):
            look(np.clip(near + distance, sums.low[:, None], sums.high[:, None] - 1))
    while (reaching - below > 1).any():
        look((below + reaching) >> 1)
    found = np.concatenate([reaching, reaching - 1, sums.low[:, None], sums.high[:, None]], axis=1)
    clipped: Int64Array = np.clip(found, sums.low[:, None], sums.high[:, None])
    return clipped


def agreeing(form: Staircase, function: Staircase, sums: SumRange) -> npt.NDArray[np.bool_]:
    """Which channels' outputs are the same by `form` as by `function`, for all sums in range.

    Both must never fall; `form` is proved, not sampled.
    """
    points = step_sums(function, sums)
    same: npt.NDArray[np.bool_] = (form(points) == function(points)).all(axis=1)
    return same
