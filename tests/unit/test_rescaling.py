"""A cheap way to rescale is the reference's, or is found out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.ops.requantize import INT32_MAX, requantize
from anvil.plan.layouts.rescaling import (
    Reference,
    SumRange,
    agreeing,
    rounded_once,
    rounded_twice,
    scales_of,
    step_sums,
    sum_range,
)

if TYPE_CHECKING:
    from anvil.plan.layouts.rescaling import Int64Array

_RNG = np.random.default_rng(5)
_MULTIPLIER = np.array([2**30, 1500000001, 2**31 - 1], np.int32)
_SHIFT = np.array([-6, -9, 1], np.int32)
_SUMS = SumRange(
    low=np.array([-20000, -90000, -50], np.int64), high=np.array([20000, 70000, 50], np.int64)
)
_TWICE = rounded_twice(_MULTIPLIER, _SHIFT, -7, -128, 127)


def test_the_range_holds_every_partial_sum() -> None:
    weights = _RNG.integers(-128, 128, (4, 30)).astype(np.int8)
    bias = _RNG.integers(-1000, 1000, 4).astype(np.int32)
    found = sum_range(weights, bias, 11)
    for _ in range(200):
        values = _RNG.choice(np.array([-128, 127, 3]), 30) - 11
        partial = bias[:, None] + np.cumsum(weights.astype(np.int64) * values, axis=1)
        assert (partial >= found.low[:, None]).all()
        assert (partial <= found.high[:, None]).all()
    # And no wider one: the extremes are reached.
    extreme = np.where(weights[0] > 0, 127 - 11, -128 - 11)
    assert int(bias[0] + (weights[0].astype(np.int64) * extreme).sum()) == int(found.high[0])


def test_steps_are_where_the_output_changes() -> None:
    points = step_sums(_TWICE, _SUMS)
    for channel in range(3):
        every = np.arange(_SUMS.low[channel], _SUMS.high[channel] + 1)
        outputs = requantize(every, _MULTIPLIER[channel], _SHIFT[channel]).astype(np.int64) - 7
        outputs = np.clip(outputs, -128, 127)
        steps = every[1:][np.diff(outputs) != 0]
        assert set(steps) <= set(points[channel])
        assert set(steps - 1) <= set(points[channel])
        assert {int(every[0]), int(every[-1])} <= set(points[channel].tolist())


def test_a_form_that_differs_at_one_sum_is_found_out() -> None:
    assert agreeing(_TWICE, _TWICE, _SUMS).tolist() == [True, True, True]
    first = int(step_sums(_TWICE, _SUMS)[1][120])  # of its level

    def early(sums: Int64Array) -> Int64Array:
        moved = sums.copy()
        moved[1] += moved[1] == first - 1
        return _TWICE(moved)

    assert agreeing(early, _TWICE, _SUMS).tolist() == [True, False, True]


def test_steps_outside_of_the_range_do_not_matter() -> None:
    narrow = SumRange(low=np.array([5, 5, 5], np.int64), high=np.array([5, 9, 6], np.int64))

    def flat(sums: Int64Array) -> Int64Array:
        return _TWICE(np.minimum(sums, 9))

    assert agreeing(flat, _TWICE, narrow).all()
    assert not agreeing(flat, _TWICE, _SUMS).all()


@pytest.mark.parametrize("scale", [0.3, 1 / 3, 1e-4, 7.25])
def test_scales_are_those_that_the_constants_were_made_from(scale: float) -> None:
    fraction, exponent = math.frexp(scale)
    mantissa = int(fraction * 2**62)
    found = scales_of(
        np.array([mantissa >> 31], np.int32),
        np.array([mantissa % 2**31], np.int32),
        np.array([exponent], np.int32),
    )
    assert found.tolist() == [scale]
    sums = np.array([[-5, -1, 0, 1, 2, 100]], np.int64)
    away = [math.copysign(math.floor(abs(s * scale) + 0.5), s * scale) for s in sums[0].tolist()]
    assert rounded_once(found, 3, -128, 127)(sums)[0].tolist() == [
        min(127, int(value) + 3) for value in away
    ]


def test_a_left_shift_that_wraps_is_known() -> None:
    sums = SumRange(low=np.array([0], np.int64), high=np.array([INT32_MAX // 2], np.int64))
    assert sums.fits_int32
    assert sums.fits_after(np.array([1], np.int32))
    assert not sums.fits_after(np.array([2], np.int32))
    assert sums.fits_after(np.array([-3], np.int32))


@pytest.mark.parametrize("shift", [-25, -9, -3, 0, 4])
def test_steps_are_the_same_whether_or_not_it_is_known_where_about_they_are(shift: int) -> None:
    multiplier = _RNG.integers(2**30, 2**31, 6).astype(np.int32)
    multiplier[0] = 0
    low = _RNG.integers(-200_000, 10, 6)
    sums = SumRange(low=low, high=low + _RNG.integers(0, 300_000, 6))
    shifts = np.full(6, shift, np.int32)
    twice = rounded_twice(multiplier, shifts, 30, -100, 110)
    scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
    for reference in (twice, rounded_once(scales, -128, -128, 127)):
        found = step_sums(reference, sums)
        assert isinstance(reference, Reference)
        assert (found == step_sums(reference.outputs, sums)).all()
