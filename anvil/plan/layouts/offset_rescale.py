"""Rescaling of sums that are a power of two too large, with an offset for each channel.

    raised = sum * 2**LEFT + offset
    saturate_int8((((raised + (below if raised < 0)) * multiplier >> 32) + addend) >> RIGHT)

which is SMMLA and SSAT on a Cortex-M with the DSP extension, after two more instructions where
`below` is not 0. A kernel begins its sums with bias * 2**LEFT + offset, so that the offset costs
nothing. The multiplier is that of the scales. Offset and addend, which moves all steps by fractions
of the offset's unit, are chosen so that every step of the reference's outputs lies where it should,
and where no two do it, the layer is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import INT32_MAX, INT32_MIN
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import INT8_MAX, INT8_MIN, agreeing, step_sums

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Staircase, SumRange

    Bools = npt.NDArray[np.bool_]
    Int64Array = npt.NDArray[np.int64]
    # The least and the greatest offset, for each channel.
    Bounds = tuple[Int64Array, Int64Array]

_FAR = np.int64(2**62)
# Of the addend, from the usual one: each moves all steps by another fraction of the offset's unit.
_CHANGES = tuple(sorted(range(-128, 128), key=abs))
_NEAR = (0, 1, -1, 2, -2, 4, -4, 8, -8)  # multipliers beside the nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Bits:
    """How a kernel shifts."""

    left: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRescale:
    """The numbers of the form, for each channel."""

    bits: Bits
    addend: Int64Array  # the zero point and one half, and from -128 to 127 more
    multiplier: Int64Array
    offset: Int64Array
    below: Int64Array

    def outputs(self, sums: Int64Array) -> Int64Array:
        """(channels, n) sums -> outputs, as the kernel computes them."""
        raised = (sums << self.bits.left) + self.offset[:, None]
        raised += np.where(raised < 0, self.below[:, None], 0)
        high = raised * self.multiplier[:, None] >> 32
        found: Int64Array = np.clip(
            high + self.addend[:, None] >> self.bits.right, INT8_MIN, INT8_MAX
        )
        return found


def usual_addend(zero_point: int, bits: Bits) -> int:
    """The zero point and one half."""
    return (zero_point << bits.right) + (1 << bits.right >> 1)


def offset_rescale(
    reference: Staircase,
    sums: SumRange,
    scales: npt.NDArray[np.float64],
    *,
    zero_point: int,
    bits: Bits,
    is_two_sided: bool = False,
) -> OffsetRescale:
    """The form that gives the reference's outputs for all sums in range.

    scales: what a sum is multiplied with, for each channel; is_two_sided: whether `below` may be
    other than 0. Raises NotPackable where a channel has none.
    """
    ideal = np.ldexp(scales, 32 + bits.right - bits.left)
    if not ((ideal >= 1 - min(_NEAR)) & (ideal < 2**31)).all():
        msg = "the scales of its sums do not suit its rescaling"
        raise NotPackable(msg)
    nearest = np.minimum(np.rint(ideal).astype(np.int64), INT32_MAX - max(_NEAR))
    usual = usual_addend(zero_point, bits)
    numbers = np.zeros((4, len(nearest)), np.int64)  # multiplier, addend, offset, below
    open_ = np.arange(len(nearest))  # the channels without numbers
    steps = _Steps.of(reference, sums)
    for near, change in product(_NEAR, _CHANGES):
        tried, left = nearest[open_] + near, steps.of_channels(open_)
        needed = left.needed(tried, usual + change, bits)
        found, offset, below = left.fitting(needed, bits, is_two_sided=is_two_sided)
        numbers[:, open_[found]] = np.stack(
            [tried, np.full_like(tried, usual + change), offset, below]
        )[:, found]
        open_ = open_[~found]
        if not open_.size:
            break
    else:
        raise _refusal(open_)
    multiplier, addend, offset, below = numbers
    form = OffsetRescale(
        bits=bits, addend=addend, multiplier=multiplier, offset=offset, below=below
    )
    _check(form, reference, sums)
    return form


def _within(bounds: Bounds) -> Int64Array:
    """A number near the middle of the bounds, of which one may be far away, or both."""
    low, high = bounds
    middle: Int64Array = np.where(
        low <= -_FAR, np.where(high >= _FAR, 0, high), np.where(high >= _FAR, low, low + high >> 1)
    )
    return middle


def _check(form: OffsetRescale, reference: Staircase, sums: SumRange) -> None:
    lowest = np.minimum(form.offset, form.offset + form.below)
    highest = np.maximum(form.offset, form.offset + form.below)
    least = (sums.low << form.bits.left) + lowest
    greatest = (sums.high << form.bits.left) + highest
    if (least < INT32_MIN).any() or (greatest > INT32_MAX).any():
        msg = f"its sums need more than {32 - form.bits.left} bits"
        raise NotPackable(msg)
    wrong = np.flatnonzero(~agreeing(form.outputs, reference, sums))
    if wrong.size:
        raise _refusal(wrong)


def _refusal(channels: Int64Array) -> NotPackable:
    return NotPackable(f"no cheap rescaling is exact for output channel {channels[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """Sums beside the reference's steps, (channels, 2 * levels), and which level is meant."""

    levels: Int64Array
    sums: Int64Array
    is_reached: Bools  # the sum's output is the level or more, or less than it
    is_there: Bools  # whether there is such a sum

    @classmethod
    def of(cls, reference: Staircase, sums: SumRange) -> _Steps:
        levels = np.arange(INT8_MIN + 1, INT8_MAX + 1, dtype=np.int64)
        reaching = step_sums(reference, sums)[:, : levels.size]
        is_reached = reference(reaching) >= levels
        before = np.where(is_reached, reaching - 1, reaching)
        return cls(
            levels=np.concatenate([levels, levels]),
            sums=np.concatenate([reaching, before], axis=1),
            is_reached=np.concatenate([is_reached, np.zeros_like(is_reached)], axis=1),
            is_there=np.concatenate([is_reached, before >= sums.low[:, None]], axis=1),
        )

    def of_channels(self, which: Int64Array) -> _Steps:
        """Those of some channels."""
        if which.size == len(self.sums):
            return self
        return _Steps(
            levels=self.levels,
            sums=self.sums[which],
            is_reached=self.is_reached[which],
            is_there=self.is_there[which],
        )

    def needed(self, multiplier: Int64Array, addend: int, bits: Bits) -> Int64Array:
        """The raised sum from which on the form reaches each level."""
        distance = (self.levels << bits.right) - addend
        return -(-(distance << 32) // multiplier[:, None])

    def fitting(
        self, needed: Int64Array, bits: Bits, *, is_two_sided: bool
    ) -> tuple[Bools, Int64Array, Int64Array]:
        """Which channels have an offset and a `below`, and these."""
        if not is_two_sided:
            bounds = self.offsets(needed, bits, np.ones_like(self.is_there))
            return bounds[0] <= bounds[1], _within(bounds), np.zeros_like(bounds[0])
        low, high = self.offsets(needed, bits, self.sums >= 0)
        # So that the raised sum is below 0 where the sum is.
        bounds = np.maximum(low, 0), np.minimum(high, (1 << bits.left) - 1)
        offset = _within(bounds)
        under = self.offsets(needed, bits, self.sums < 0)
        # `below` is not above 0, so that the form never falls.
        found = (bounds[0] <= bounds[1]) & (under[0] <= np.minimum(under[1], offset))
        return found, offset, np.minimum(_within(under) - offset, 0)

    def offsets(self, needed: Int64Array, bits: Bits, which: Bools) -> Bounds:
        """Between which offsets the steps of `which` sums are where they should be."""
        missing = needed - (self.sums << bits.left)
        is_low = which & self.is_there & self.is_reached
        is_high = which & self.is_there & ~self.is_reached
        low: Int64Array = np.where(is_low, missing, -_FAR).max(axis=1)
        high: Int64Array = np.where(is_high, missing - 1, _FAR).min(axis=1)
        return low, high
