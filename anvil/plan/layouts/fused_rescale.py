"""Rescaling by one fused multiply-add in float32, which rounds to an integer as it adds.

    output = bits(fma(float(sum + lifted), scale, MAGIC + zero point - whole)) - bits(MAGIC)

MAGIC is 1.5 * 2^23: near it float32 numbers are the integers, so that the only rounding is that of
the exact result. What is left to choose is the scale's last bits and the fraction by which sums are
moved before they are rounded. `whole` units, taken off again, are worth `lifted` sums but for such
a fraction; of many whole numbers there is one whose fraction fits. Each choice is proved by the
reference's steps, not trusted.

Where outputs go below the zero point, rounding twice is symmetric about a sum of 0. There

    output = sign(sum) * (bits(fma(float(|sum| + lifted), scale, MAGIC - whole)) - bits(MAGIC))
             + zero point
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

    Float32Array = npt.NDArray[np.float32]
    Float64Array = npt.NDArray[np.float64]

MAGIC = 3 << 22
_EXACT_FLOAT = 1 << 24  # integers up to here are float32 numbers
_MOST_OUTPUT = 1 << 21  # before saturation; twice that would leave the numbers near MAGIC
_LEAST_SCALE = 2.0**-40
_N_WHOLE = 4096  # numbers of units, among which the fraction is searched
_NEIGHBOURS = (0, 1, -1, 2, -2, 3, -3)  # float32 numbers beside a scale that are tried
_WRONG = 1 << 40  # no output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What the form must equal."""

    staircase: Staircase
    sums: SumRange
    scales: Float64Array
    most: float  # of a sum, to move it by: fractions are above most - 1, and at most that
    zero_point: int
    least: int
    greatest: int
    is_symmetric: bool  # rounds twice, and outputs go below the zero point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusedRescale:
    """One entry for each output channel."""

    scale: Float32Array
    whole: Int64Array
    lifted: Int64Array


def lifted_of(scale: Float32Array, whole: Int64Array, most: float) -> Int64Array:
    """Sums that are worth `whole` units, and a fraction of a sum, in (most - 1, most], more."""
    lifted: Int64Array = np.floor(whole / scale.astype(np.float64) + most).astype(np.int64)
    return lifted


def fused_rescale(reference: Reference) -> FusedRescale:
    """The form that is right. Raises NotPackable with the first channel that has none."""
    _check(reference)
    points = step_sums(reference.staircase, reference.sums)
    wanted = reference.staircase(points)
    # What is less moves no output, and how many sums make a unit has to be a number.
    scale = np.maximum(reference.scales, _LEAST_SCALE).astype(np.float32)
    found = FusedRescale(
        scale=scale.copy(),
        whole=np.zeros(len(scale), np.int64),
        lifted=np.zeros(len(scale), np.int64),
    )
    missing = np.arange(len(scale))
    for distance in _NEIGHBOURS:
        near = (scale[missing].view(np.int32) + np.int32(distance)).view(np.float32)
        whole = _best_whole(reference, near, points[missing], wanted[missing])
        lifted = lifted_of(near, whole, reference.most)
        tried = FusedRescale(scale=near, whole=whole, lifted=lifted)
        outputs = outputs_of(tried, points[missing], reference)
        is_right = (outputs == wanted[missing]).all(axis=1)
        right = missing[is_right]
        found.scale[right] = near[is_right]
        found.whole[right] = whole[is_right]
        found.lifted[right] = lifted[is_right]
        missing = missing[~is_right]
        if not missing.size:
            return found
    msg = f"no float32 scale gives channel {int(missing[0])} the reference's outputs"
    raise NotPackable(msg)


def outputs_of(form: FusedRescale, sums: Int64Array, reference: Reference) -> Int64Array:
    """What a kernel makes of (channels, n) sums; no output where it is a tie.

    Ties go to an even number, which depends on `whole`: none of them is relied on.
    """
    values = np.abs(sums) if reference.is_symmetric else sums
    lifted = values + form.lifted[:, None]
    products = lifted * form.scale.astype(np.float64)[:, None]  # exact: 25 + 24 bits
    rounded = np.rint(products)
    is_wrong = np.abs(products - rounded) == 0.5  # a tie
    is_wrong |= (np.abs(lifted) > _EXACT_FLOAT) | (np.abs(products) > _MOST_OUTPUT)
    units = rounded.astype(np.int64) - form.whole[:, None]
    if reference.is_symmetric:
        # A kernel may as well give 0 where the sum is 0, which is the output then.
        units *= np.where(sums < 0, -1, 1)
    outputs = np.clip(units + reference.zero_point, reference.least, reference.greatest)
    found: Int64Array = np.where(is_wrong, _WRONG, outputs)
    return found


def _check(reference: Reference) -> None:
    sums = reference.sums
    largest = np.maximum(-sums.low, sums.high)
    if (largest > _EXACT_FLOAT).any():
        msg = "sums exceed 2^24, which float32 does not hold exactly"
        raise NotPackable(msg)


def _best_whole(
    reference: Reference, scale: Float32Array, points: Int64Array, wanted: Int64Array
) -> Int64Array:
    """For each channel the number of units whose fraction is furthest from any wrong output.

    An output is right where its units are less than 1/2 from scale * (sum + lifted) - whole, so
    that each point bounds the fraction of a sum, lifted - whole / scale.
    """
    exact = scale.astype(np.float64)[:, None]
    units = (wanted - reference.zero_point).astype(np.float64)
    is_least, is_greatest = wanted == reference.least, wanted == reference.greatest
    values = points.astype(np.float64)
    if reference.is_symmetric:
        is_greatest = np.where(points < 0, is_least, is_greatest)
        is_least = np.zeros_like(is_least)
        values, units = np.abs(values), units * np.sign(points)
    above = np.where(is_least, -np.inf, (units - 0.5) / exact - values).max(axis=1)
    below = np.where(is_greatest, np.inf, (units + 0.5) / exact - values).min(axis=1)
    whole = np.arange(_N_WHOLE, dtype=np.int64)[None, :]
    lifted = lifted_of(scale[:, None], whole, reference.most)
    fractions = lifted - whole / exact
    margins = np.minimum(fractions - above[:, None], below[:, None] - fractions)
    reach = np.maximum(-reference.sums.low, reference.sums.high).max()
    margins = np.where(lifted + reach > _EXACT_FLOAT, -np.inf, margins)
    best: Int64Array = np.argmax(margins, axis=1).astype(np.int64)
    return best
