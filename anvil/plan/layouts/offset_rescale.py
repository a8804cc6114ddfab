"""Rescaling of sums that are a power of two too large, with an offset for each channel.

    saturate_int8((((sum * 2**LEFT + offset) * multiplier >> 32) + addend) >> RIGHT)

which is SMMLA and SSAT on a Cortex-M with the DSP extension. A kernel begins its sums with bias *
2**LEFT + offset, so that the offset costs nothing. The multiplier is that of the scales; the
offset and the addend, which moves all steps by fractions of the offset's unit, are chosen so that
every step of the reference's outputs lies where it should, and where no two do it, the layer is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import INT32_MAX, INT32_MIN
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import INT8_MAX, INT8_MIN, agreeing, step_sums

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Staircase, SumRange

    Int64Array = npt.NDArray[np.int64]

_FAR = np.int64(2**62)
# Of the addend, from the usual one: each moves all steps by another fraction of the offset's unit.
_CHANGES = tuple(sorted(range(-128, 128), key=abs))


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRescale:
    """The numbers of the form, for each channel."""

    left: int
    right: int
    addend: Int64Array  # the zero point and one half, and from -128 to 127 more
    multiplier: Int64Array
    offset: Int64Array

    def outputs(self, sums: Int64Array) -> Int64Array:
        """(channels, n) sums -> outputs, as the kernel computes them."""
        raised = (sums << self.left) + self.offset[:, None]
        high = raised * self.multiplier[:, None] >> 32
        found: Int64Array = np.clip(high + self.addend[:, None] >> self.right, INT8_MIN, INT8_MAX)
        return found


def offset_rescale(
    reference: Staircase,
    sums: SumRange,
    scales: npt.NDArray[np.float64],
    *,
    zero_point: int,
    left: int,
    right: int,
) -> OffsetRescale:
    """The form that gives the reference's outputs for all sums in range.

    scales: what a sum is multiplied with, for each channel. Raises NotPackable where a channel
    has none.
    """
    ideal = np.ldexp(scales, 32 + right - left)
    if not ((ideal >= 1) & (ideal < 2**31)).all():
        msg = "the scales of its sums do not suit its rescaling"
        raise NotPackable(msg)
    multiplier = np.minimum(np.rint(ideal).astype(np.int64), INT32_MAX)
    addend = np.full_like(multiplier, (zero_point << right) + (1 << right >> 1))
    offset, open_ = np.zeros_like(multiplier), np.ones(len(multiplier), np.bool_)
    steps = _Steps.of(reference, sums)
    for change in _CHANGES:
        low, high = steps.offsets(multiplier, addend + change, left, right)
        found = open_ & (low <= high)
        offset[found] = ((low + high) >> 1)[found]
        addend[found] += change
        open_ &= ~found
        if not open_.any():
            break
    form = OffsetRescale(
        left=left, right=right, addend=addend, multiplier=multiplier, offset=offset
    )
    _check(form, reference, sums)
    return form


def _check(form: OffsetRescale, reference: Staircase, sums: SumRange) -> None:
    least = (sums.low << form.left) + form.offset
    greatest = (sums.high << form.left) + form.offset
    if (least < INT32_MIN).any() or (greatest > INT32_MAX).any():
        msg = f"its sums need more than {32 - form.left} bits"
        raise NotPackable(msg)
    wrong = np.flatnonzero(~agreeing(form.outputs, reference, sums))
    if wrong.size:
        msg = f"no cheap rescaling is exact for output channel {wrong[0]}"
        raise NotPackable(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """Where the reference's outputs reach each level: (channels, levels) sums."""

    levels: Int64Array
    reaching: Int64Array
    before: Int64Array  # the greatest sum that does not reach the level
    is_reached: npt.NDArray[np.bool_]
    is_missed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, reference: Staircase, sums: SumRange) -> _Steps:
        levels = np.arange(INT8_MIN + 1, INT8_MAX + 1, dtype=np.int64)
        reaching = step_sums(reference, sums)[:, : levels.size]
        is_reached = reference(reaching) >= levels
        before = np.where(is_reached, reaching - 1, reaching)
        return cls(
            levels=levels,
            reaching=reaching,
            before=before,
            is_reached=is_reached,
            is_missed=before >= sums.low[:, None],
        )

    def offsets(
        self, multiplier: Int64Array, addend: Int64Array, left: int, right: int
    ) -> tuple[Int64Array, Int64Array]:
        """The least and the greatest offset with which each step is where it should be."""
        # The raised sum that the form needs to reach each level.
        needed = -(-(((self.levels << right) - addend[:, None]) << 32) // multiplier[:, None])
        low = np.where(self.is_reached, needed - (self.reaching << left), -_FAR).max(axis=1)
        high = np.where(self.is_missed, needed - 1 - (self.before << left), _FAR).min(axis=1)
        # Every level is reached or missed by some sum, so that one bound at least is known.
        return np.where(low == -_FAR, high, low), np.where(high == _FAR, low, high)
