"""Rescaling by products of 64 bits, exact by construction, of sums that are kept unsigned.

    unsigned = sum + 2^31                                (the biases hold the 2^31)
    high     = (unsigned * multiplier + rounding) >> 32  (64 bits, wrapping around)
    output   = (high - (sum < 0)) >> shift               (32 bits; the 1 for rounding twice only)

With multiplier = 2m, high is TFLite's saturating rounding doubling high product of m plus half of
what the shift takes off. Below 0 gemmlowp's second rounding takes halves down, hence the 1; an
activation that begins at the zero point hides the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import INT32_MAX
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import agreeing, rounded_once, scales_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Int64Array, SumRange

    Int32Array = npt.NDArray[np.int32]

SIGN = 1 << 31  # what makes sums unsigned
_MAX_SHIFT = 31


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WideRescale:
    """One entry for each output channel."""

    multiplier: Int64Array  # unsigned, 32 bits
    rounding: Int64Array
    shift: Int32Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scales:
    """FULLY_CONNECTED's scales of each channel, see anvil_rescale_once."""

    multiplier: Int32Array
    multiplier_low: Int32Array
    shift: Int32Array


def rounding_twice(multiplier: Int32Array, shift: Int32Array, sums: SumRange) -> WideRescale:
    """What convolutions do; multiplier and shift as their scalar kernels take them.

    Raises NotPackable where a channel is shifted left, or where a sum may be too large.
    """
    if (shift > -1).any():
        channel = int(np.argmax(shift > -1))
        msg = f"channel {channel} is scaled by 1/2 or more, and only smaller scales are exact"
        raise NotPackable(msg)
    right = -shift.astype(np.int64)
    half = np.int64(1) << (right - 1)
    _check_sums(sums, half)
    doubled = 2 * multiplier.astype(np.int64)
    # 2^31 rounds the product itself; what the sums' 2^31 adds is taken off.
    return WideRescale(
        multiplier=doubled,
        rounding=SIGN - SIGN * doubled + (half << 32),
        shift=right.astype(np.int32),
    )


def rounding_once(
    scales: Scales, sums: SumRange, zero_point: int, least: int, greatest: int
) -> WideRescale:
    """What FULLY_CONNECTED does, without the lower bits of its multipliers: proved.

    Raises NotPackable with the first channel where the upper 31 bits give another output.
    """
    outside = (scales.shift > 0) | (scales.shift < -_MAX_SHIFT)
    if outside.any():
        msg = f"channel {int(np.argmax(outside))} is scaled by 1 or more, or by less than 2^-31"
        raise NotPackable(msg)
    right = -scales.shift.astype(np.int64)
    half = np.int64(1) << (31 + right)
    _check_sums(sums, half >> 31)
    doubled = 2 * scales.multiplier.astype(np.int64)

    def form(values: Int64Array) -> Int64Array:
        high = (values * doubled[:, None] + half[:, None]) >> 32
        outputs: Int64Array = np.clip((high >> right[:, None]) + zero_point, least, greatest)
        return outputs

    reals = scales_of(scales.multiplier, scales.multiplier_low, scales.shift)
    same = agreeing(form, rounded_once(reals, zero_point, least, greatest), sums)
    if not same.all():
        msg = f"channel {int(np.argmin(same))} needs more than 31 bits of its scale"
        raise NotPackable(msg)
    return WideRescale(
        multiplier=doubled, rounding=half - SIGN * doubled, shift=right.astype(np.int32)
    )


def _check_sums(sums: SumRange, half: Int64Array) -> None:
    greatest = np.maximum(-sums.low, sums.high) + half
    if (greatest > INT32_MAX).any():
        channel = int(np.argmax(greatest > INT32_MAX))
        msg = f"sums of channel {channel} reach {int(greatest[channel])}, beyond 32 bits"
        raise NotPackable(msg)
