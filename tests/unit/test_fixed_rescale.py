"""The few instructions that rescale on Cortex-M are the reference's rounding for every sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.plan.layouts.fixed_rescale import FixedRescale, fixed_rescale
from anvil.plan.layouts.rescaling import SumRange, rounded_once, rounded_twice

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.plan.layouts.rescaling import Staircase

_RNG = np.random.default_rng(11)


def _twice(
    shifts: list[int], zero_point: int, multipliers: list[int] | None = None
) -> tuple[Staircase, npt.NDArray[np.float64]]:
    chosen = multipliers or _RNG.integers(2**30, 2**31, len(shifts)).tolist()
    multiplier, shift = np.array(chosen, np.int32), np.array(shifts, np.int32)
    scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
    return rounded_twice(multiplier, shift, zero_point, -128, 127), scales


def _range(n_channels: int, low: int, high: int) -> SumRange:
    return SumRange(
        low=np.full(n_channels, low, np.int64), high=np.full(n_channels, high, np.int64)
    )


def _check_everywhere(found: FixedRescale, reference: Staircase, sums: SumRange) -> None:
    """Every sum of the range, by the instructions' own arithmetic."""
    every = np.arange(sums.low.min(), sums.high.max() + 1)[None, :].repeat(len(sums.low), axis=0)
    wanted = reference(every)
    right = np.flatnonzero(found.is_right)
    assert (found.outputs(every)[right] == wanted[right]).all()
    for name in ("left", "multiplier", "addend", "below"):
        values = getattr(found, name)[right]
        assert (values >= -(2**31)).all(), name
        assert (values < 2**31).all(), name
    assert (abs(every[right] << found.left[right, None]) <= 2**31).all()


@pytest.mark.parametrize("zero_point", [-128, -127, 0, 7, 127])
@pytest.mark.parametrize("exponent", [12, None])
def test_whatever_is_found_is_right_for_every_sum(zero_point: int, exponent: int | None) -> None:
    shifts = [shift for shift in range(-11, -4) for _ in range(2)]
    reference, scales = _twice(shifts, zero_point)
    sums = _range(len(shifts), -90_000, 90_000)
    found = fixed_rescale(reference, sums, scales, exponent=exponent, most_left=8)
    assert found.is_right.all()
    assert found.is_one_sided == (zero_point in {-128, 127})
    _check_everywhere(found, reference, sums)


def test_exact_halves_go_away_from_0_on_both_sides() -> None:
    # 2^30 is exactly one half of 2^31, so that every other sum lies between two outputs.
    shifts = [-9, -8, -7, -6, -5]
    reference, scales = _twice(shifts, 3, [2**30] * 5)
    sums = _range(5, -200_000, 200_000)
    found = fixed_rescale(reference, sums, scales, exponent=12, most_left=8)
    assert found.is_right.all()
    assert found.below.all()
    _check_everywhere(found, reference, sums)


def test_rounding_once_needs_one_addend() -> None:
    scales = _RNG.uniform(2.0**-9, 2.0**-3, 40)
    reference = rounded_once(scales, 96, -128, 127)
    sums = _range(40, -70_000, 70_000)
    found = fixed_rescale(reference, sums, scales, exponent=9, most_left=8)
    assert found.is_right.all()
    assert found.is_one_sided
    _check_everywhere(found, reference, sums)


def test_scales_beyond_the_exponent_take_one_of_their_own() -> None:
    shifts = [-17, -14, -3, -1, 1]
    reference, scales = _twice(shifts, -20)
    sums = _range(5, -30_000, 60_000)
    common = fixed_rescale(reference, sums, scales, exponent=12, most_left=8)
    assert common.is_right.tolist() == [True, True, False, False, False]
    own = fixed_rescale(reference, sums, scales, exponent=None, most_left=8)
    assert own.is_right.all()
    _check_everywhere(own, reference, sums)


def test_sums_of_too_many_bits_are_refused_unless_they_do_not_matter() -> None:
    reference, scales = _twice([-8, -8, -8, -31], -128)
    wide = 2**23
    sums = SumRange(
        low=np.array([-5, -5, -wide - 1, 2**28]), high=np.array([wide - 1, wide, 500, 2**28 + 9])
    )
    found = fixed_rescale(reference, sums, scales, exponent=12, most_left=8, most_bits=24)
    assert found.is_right.tolist() == [True, False, False, True]
    assert found.multiplier[3] == 0
    assert found.outputs(np.array([[0]] * 3 + [[2**30]]))[3].tolist() == [-128]


def test_outputs_that_end_elsewhere_are_refused() -> None:
    multiplier, shift = np.array([1500000001] * 3, np.int32), np.array([-8] * 3, np.int32)
    sums = SumRange(low=np.array([-9000, 0, 0]), high=np.array([90_000, 90_000, 20_000]))
    scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
    relu6 = rounded_twice(multiplier, shift, -100, -100, 90)
    found = fixed_rescale(relu6, sums, scales, exponent=12)
    # The last two never reach the lower end; the last not the upper one either.
    assert found.is_right.tolist() == [False, False, True]
    _check_everywhere(found, relu6, SumRange(low=np.array([0] * 3), high=np.array([20_000] * 3)))
