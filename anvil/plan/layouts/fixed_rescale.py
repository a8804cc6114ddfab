"""Rescaling as a Cortex-M core does it in a few instructions, proved to be the reference's.

    output = saturate8(((sum << left) * multiplier >> 32) + addend >> exponent)

SMMLA and SSAT are that, where the exponent is part of the code; one for each channel takes another
instruction. The reference's double rounding sends halves away from zero, so that sums below 0 want
another addend; where outputs saturate there (the zero point is -128) one serves all. Left and
multiplier follow from the scale, and the addends from the staircase: at each of its steps
(rescaling.py) an output bounds the addend from below and from above, and where the bounds leave
room, whatever lies between is right everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import INT32_MAX, INT32_MIN
from anvil.plan.layouts.rescaling import INT8_MAX, INT8_MIN, step_sums

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Staircase, SumRange

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Int64Array = npt.NDArray[np.int64]

_NEAR = (0, 1, -1, 2, -2, 3, -3)  # multipliers beside the rounded one, which may fit better
_BETWEEN = (0.5, 0.0, 1.0)  # where bounds of the addend cross: which addend to bend to
_FAR = 2**62  # beyond every bound
_MOST_EXPONENT = 22  # an int32 then holds any output before the last shift


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRescale:
    """One entry for each output channel; int64 arrays of int32 values."""

    left: Int64Array
    multiplier: Int64Array
    addend: Int64Array  # of sums from 0 on
    exponent: Int64Array
    below: Int64Array  # what sums below 0 add besides
    is_right: Bools  # whether the form is proved; the others' numbers mean nothing

    @property
    def is_one_sided(self) -> bool:
        """Whether one addend serves all sums."""
        return not self.below.any()

    def outputs(self, sums: Int64Array) -> Int64Array:
        """The int8 outputs of sums (channels, n)."""
        scaled = (sums << self.left[:, None]) * self.multiplier[:, None] >> 32
        scaled += self.addend[:, None] + np.where(sums < 0, self.below[:, None], 0)
        outputs: Int64Array = np.clip(scaled >> self.exponent[:, None], INT8_MIN, INT8_MAX)
        return outputs


def fixed_rescale(
    reference: Staircase,
    sums: SumRange,
    scales: Floats,
    *,
    exponent: int | None,
    most_left: int = 31,
    most_bits: npt.ArrayLike = 32,
) -> FixedRescale:
    """The form that gives `reference`'s outputs for all `sums`, channel by channel.

    scales: what a sum is multiplied with, real numbers; they are only a start, right is what the
    reference says. exponent: the shift that the kernel ends with, 1 to 22; None for each channel's
    own. most_left: no `left` is greater. most_bits: each channel's sums must fit a signed number
    of so many bits, where its output is not the same for all of them.
    """
    points = step_sums(reference, sums)
    # Where the addend changes: the form never falls on either side, which need not hold across.
    around_0 = np.clip(np.array([[-1, 0]]), sums.low[:, None], sums.high[:, None])
    points = np.concatenate([points, around_0], axis=1)
    wanted = reference(points)
    is_constant = (wanted == wanted[:, :1]).all(axis=1)
    widest = np.maximum(sums.high, -1 - sums.low)
    _, magnitude = np.frexp(scales)  # the scale is in [2^(magnitude - 1), 2^magnitude)
    magnitude = magnitude.astype(np.int64)
    bits = np.ceil(np.log2(widest + 1.0)).astype(np.int64)
    if exponent is None:
        # As many bits as there is room for: the addend then has the most of them, too.
        exponents = np.clip(np.minimum(most_left, 31 - bits) - 1 - magnitude, 1, _MOST_EXPONENT)
    else:
        exponents = np.full_like(magnitude, exponent)
    left = np.clip(exponents + 1 + magnitude, 0, most_left)
    left = np.where(is_constant, 0, left)
    nearest = np.rint(np.minimum(np.ldexp(scales, 32 + exponents - left), 2.0**40)).astype(np.int64)
    limit = np.minimum(np.asarray(most_bits, np.int64) - 1, 31 - left)
    is_bounded = (bits <= limit) & (nearest <= INT32_MAX)
    found = FixedRescale(
        left=left,
        multiplier=np.zeros_like(left),
        # A channel whose output never changes has multiplier 0: its sums may be anything.
        addend=(wanted[:, 0] << exponents) + (1 << (exponents - 1)),
        exponent=exponents,
        below=np.zeros_like(left),
        is_right=is_constant,
    )
    for offset in _NEAR:
        rest = _Rest.of(found, is_bounded, nearest + offset, points, wanted)
        rest.enter(found)
    for weight in _BETWEEN:
        rest = _Rest.of(found, is_bounded, nearest, points, wanted)
        bent = nearest.copy()
        bent[rest.channels] = rest.bent(weight)
        _Rest.of(found, is_bounded, bent, points, wanted).enter(found)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The channels that are not right yet, with multipliers to try."""

    channels: Int64Array
    exponent: Int64Array  # (channels, 1)
    sums: Int64Array  # (channels, points)
    left: Int64Array  # the same, shifted
    wanted: Int64Array  # outputs at these points
    multiplier: Int64Array
    scaled: Int64Array  # what the addend is added to

    @classmethod
    def of(
        cls,
        found: FixedRescale,
        is_bounded: Bools,
        multiplier: Int64Array,
        points: Int64Array,
        wanted: Int64Array,
    ) -> _Rest:
        channels = np.flatnonzero(~found.is_right & is_bounded)
        factors = np.clip(multiplier[channels], 0, INT32_MAX)
        left = points[channels] << found.left[channels, None]
        return cls(
            channels=channels,
            exponent=found.exponent[channels, None],
            sums=points[channels],
            left=left,
            wanted=wanted[channels],
            multiplier=factors,
            scaled=left * factors[:, None] >> 32,
        )

    @property
    def least(self) -> Int64Array:
        """The least that reaches each output before the last shift."""
        return self.wanted << self.exponent

    @property
    def greatest(self) -> Int64Array:
        """The greatest that does not pass it."""
        return (self.wanted + 1 << self.exponent) - 1

    def addends(self, taken: Bools) -> tuple[Int64Array, Int64Array]:
        """The least and the greatest addend that is right at the taken points."""
        least = np.where(taken & (self.wanted > INT8_MIN), self.least - self.scaled, -_FAR)
        greatest = np.where(taken & (self.wanted < INT8_MAX), self.greatest - self.scaled, _FAR)
        return least.max(axis=1, initial=-_FAR), greatest.min(axis=1, initial=_FAR)

    def enter(self, found: FixedRescale) -> None:
        """Take over what is right: one addend for all sums, or else one on either side of 0."""
        is_below = self.sums < 0
        everywhere, is_one_sided = _between(*self.addends(np.ones_like(is_below)))
        from_0, is_right_from_0 = _between(*self.addends(~is_below))
        below_0, is_right_below_0 = _between(*self.addends(is_below))
        addend = np.where(is_one_sided, everywhere, from_0)
        addend_below = np.where(is_one_sided, everywhere, below_0)
        is_right = is_one_sided | (is_right_from_0 & is_right_below_0)
        # Whatever the addition reaches stays an int32, and so does the difference of two addends.
        for start in (addend, addend_below):
            reached = self.scaled + start[:, None]
            is_right &= (reached >= INT32_MIN).all(axis=1) & (reached <= INT32_MAX).all(axis=1)
            is_right &= (start >= INT32_MIN // 2) & (start <= INT32_MAX // 2)
        right = self.channels[is_right]
        found.is_right[right] = True
        found.multiplier[right] = self.multiplier[is_right]
        found.addend[right] = addend[is_right]
        found.below[right] = (addend_below - addend)[is_right]

    def bent(self, weight: float) -> Int64Array:
        """Multipliers that make up for an addend which has too few bits to be right.

        Where the bounds of the addend cross, one between them is taken, and each point then bounds
        the multiplier: least <= (left * multiplier >> 32) + addend <= greatest.
        """
        low, high = self.addends(np.ones(self.sums.shape, np.bool_))
        addend = np.rint(low + (high - low) * weight).astype(np.int64)[:, None]
        from_, to = self.least - addend << 32, (self.greatest + 1 - addend << 32) - 1
        is_above = self.left > 0
        divisor = np.where(self.left == 0, 1, self.left)
        lower = np.where(is_above, -(-from_ // divisor), -(-to // divisor))
        upper = np.where(is_above, to // divisor, from_ // divisor)
        has_least, has_greatest = self.wanted > INT8_MIN, self.wanted < INT8_MAX
        is_open = self.left == 0
        lower = np.where(is_open | ~np.where(is_above, has_least, has_greatest), -_FAR, lower)
        upper = np.where(is_open | ~np.where(is_above, has_greatest, has_least), _FAR, upper)
        return _between(lower.max(axis=1, initial=-_FAR), upper.min(axis=1, initial=_FAR))[0]


def _between(low: Int64Array, high: Int64Array) -> tuple[Int64Array, Bools]:
    """A number between each two bounds, of which either may be missing; whether there is one."""
    nearer = np.where(low <= -_FAR, np.minimum(high, 0), low)
    middle = np.where((low > -_FAR) & (high < _FAR), low + (high - low >> 1), nearer)
    return middle, low <= high
