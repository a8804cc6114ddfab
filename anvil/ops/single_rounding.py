"""A fixed-point multiplier that rounds every reachable sum as float64 arithmetic does.

TFLite's reference for int8 FULLY_CONNECTED computes `round(double(sum) * scale)`, halves
away from zero, and clamps the result. A microcontroller would take a hundred instructions
for that. Since the clamped result has at most 256 values and never falls as the sum grows,
it is known by the sums at which it steps, and a fixed-point multiplier that steps at the
same sums computes the same function. `find_multiplier` solves for one; it fails only where
sums beyond about 2**30 matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from anvil.ops.requantize import FixedPoint, quantize_multiplier, round_half_away


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of a multiplier, all ends included."""

    least_sum: int
    greatest_sum: int
    least_result: int  # before the zero point is added
    greatest_result: int


def rescaled(value: int, scale: float) -> int:
    """`value * scale` in float64, rounded with halves away from zero."""
    return round_half_away(float(value) * scale)


def first_sum_of(result: int, scale: float) -> int:
    """The least integer whose `rescaled` is at least `result`; scale > 0."""
    guess = math.ceil((result - 0.5) / scale)
    # The quotient is rounded, which moves it by less than one part in 2**52.
    step = 1 + (abs(guess) >> 50)
    while rescaled(guess, scale) >= result:
        guess -= step
    while rescaled(guess, scale) < result:
        guess += 1
    return guess


def find_multiplier(scale: float, demand: Demand) -> FixedPoint | None:
    """A multiplier that gives `rescaled`, clamped, for every sum of `demand`; None if none does.

    The C side is anvil_requantize_once. With M = multiplier and k = 31 - shift, the result
    is at least n for a sum a exactly if 2 * a * M >= (2n - 1) * 2**k where n > 0, and if
    2 * a * M > (2n - 1) * 2**k where n <= 0: each step bounds M from both sides.
    """
    nearest = quantize_multiplier(scale)
    if nearest.multiplier == 0:
        # Rounds every sum to 0, as the scale itself does: it is below 2**-32.
        return nearest
    exponent = 31 - nearest.shift
    least, greatest = 0, 2**31 - 1
    for result in range(demand.least_result + 1, demand.greatest_result + 1):
        first = first_sum_of(result, scale)
        threshold = (2 * result - 1) << exponent
        if demand.least_sum <= first <= demand.greatest_sum:
            least, greatest = _reaching(first, threshold, least, greatest)
        if demand.least_sum <= first - 1 <= demand.greatest_sum:
            least, greatest = _staying_below(first - 1, threshold, least, greatest)
        if least > greatest:
            return None
    multiplier = min(max(nearest.multiplier, least), greatest)
    return FixedPoint(multiplier=multiplier, shift=nearest.shift)


def _reaching(value: int, threshold: int, least: int, greatest: int) -> tuple[int, int]:
    """The bounds of M narrowed to those for which `value` reaches the threshold's result."""
    if threshold > 0:
        # Then value > 0, since its rescaled value is positive.
        return max(least, -(-threshold // (2 * value))), greatest
    if value < 0:
        return least, min(greatest, _below(-threshold, -2 * value))
    return least, greatest


def _staying_below(value: int, threshold: int, least: int, greatest: int) -> tuple[int, int]:
    """The bounds of M narrowed to those for which `value` stays below the threshold's result."""
    if threshold > 0:
        return (least, min(greatest, _below(threshold, 2 * value))) if value > 0 else (least, greatest)
    # Then value < 0, since its rescaled value is negative.
    return max(least, -(threshold // (-2 * value))), greatest


def _below(numerator: int, denominator: int) -> int:
    """The greatest integer below numerator / denominator, both positive."""
    return -(-numerator // denominator) - 1
