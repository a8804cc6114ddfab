"""Rescaling of int32 sums in floating point, for cores whose vectors have no high multiplication.

Proved equal to the reference for every sum that a channel can have:

    moved = float(sum) * scale + copysign(away, sum)
    output = nearest(moved) + zero point, the even neighbour of halves; it saturates

Rounding twice, as convolutions do, moves the sums from which outputs round up by half a unit of
the first rounding, away from zero: that is `away`. All is computed in float64, which has bits
enough for every channel but those with exact halves; float32 would leave about one channel in
twenty without any scale that is right, and so most layers. It rounds as it adds a large number:
low32(moved + (1.5 * 2^52 + zero point)) is the output before saturation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import step_sums

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Int64Array, Staircase, SumRange

    Float64Array = npt.NDArray[np.float64]
    Int32Array = npt.NDArray[np.int32]

_MAGIC = 1.5 * 2.0**52  # what is added to it is rounded to an integer, in its low bits
_MOST_BEFORE_SATURATION = 2.0**31 - 2.0**10  # so that low32 cuts nothing off
_LITTLE = 2.0**-32  # moves exact halves away from zero, and hardly anything else


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """What a form must equal: the reference's outputs over the sums of each channel."""

    staircase: Staircase
    sums: SumRange
    zero_point: int  # of the output
    least: int  # what outputs saturate at
    greatest: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Double:
    """One entry per channel."""

    scale: Float64Array
    away: Float64Array  # at least 0

    def outputs(self, sums: Int64Array, target: Target) -> Int64Array:
        """What a kernel computes of (channels, n) sums."""
        products = sums.astype(np.float64) * self.scale[:, None]
        moved = products + np.copysign(self.away[:, None], sums.astype(np.float64))
        rounded = (moved + (_MAGIC + target.zero_point)).view(np.int64).astype(np.int32)
        outputs: Int64Array = np.clip(rounded, target.least, target.greatest).astype(np.int64)
        return outputs


def double_precision(target: Target, scales: Float64Array, aways: Float64Array) -> Double:
    """The form. Raises NotPackable with the first channel that has none."""
    if not target.sums.fits_int32:
        msg = "sums exceed 32 bits"
        raise NotPackable(msg)
    largest = float(np.maximum(-target.sums.low * scales, target.sums.high * scales).max())
    if largest > _MOST_BEFORE_SATURATION:
        msg = f"outputs reach {largest:.3g} before they saturate"
        raise NotPackable(msg)
    points = step_sums(target.staircase, target.sums)
    wanted = target.staircase(points)
    is_right = np.zeros(len(scales), dtype=np.bool_)
    for more in (0.0, _LITTLE):
        form = Double(scale=scales.copy(), away=aways + more)
        is_right = (form.outputs(points, target) == wanted).all(axis=1)
        if is_right.all():
            return form
    msg = f"no float64 scale gives channel {int(np.argmin(is_right))} the reference's outputs"
    raise NotPackable(msg)


def scales_of_fixed_point(multiplier: Int32Array, shift: Int32Array) -> Float64Array:
    """The real numbers that convolutions' multipliers and shifts stand for, exactly."""
    scales: Float64Array = np.ldexp(multiplier.astype(np.float64), shift.astype(np.int64) - 31)
    return scales


def away_of(shift: Int32Array) -> Float64Array:
    """By how much rounding twice moves an output away from zero: half of the first unit.

    Where nothing is shifted right there is no second rounding, and the first is symmetric.
    """
    aways: Float64Array = np.where(shift < 0, np.ldexp(0.5, np.minimum(shift, 0)), 0.0)
    return aways
