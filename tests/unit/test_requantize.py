from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.attributes import Activation
from anvil.core.tensor import DType, Quantization
from anvil.ops.requantize import (
    FixedPoint,
    activation_range,
    multipliers_and_shifts,
    quantize_multiplier,
    requantize,
    round_half_away,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_mul,
    wrap_int32,
)

UNTIMED = settings(deadline=None)
INT32 = st.integers(-(2**31), 2**31 - 1)


def nearest(value: Fraction, *, half_up: bool) -> int:
    """The nearest integer; halves go up, or away from zero."""
    floor = value.numerator // value.denominator
    rest = value - floor
    if rest == Fraction(1, 2):
        return floor + 1 if half_up or value > 0 else floor
    return floor + (rest > Fraction(1, 2))


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, FixedPoint(multiplier=0, shift=0)),
        (1.0, FixedPoint(multiplier=2**30, shift=1)),
        (0.5, FixedPoint(multiplier=2**30, shift=0)),
        (0.75, FixedPoint(multiplier=3 * 2**29, shift=0)),
        # The fraction rounds up to 1, which moves the exponent.
        (1.0 - 2.0**-40, FixedPoint(multiplier=2**30, shift=1)),
        (2.0**-32, FixedPoint(multiplier=2**30, shift=-31)),
        # A shift by 32 would leave nothing: flushed to zero.
        (2.0**-33, FixedPoint(multiplier=0, shift=0)),
        (2.0**-32 * (1 - 2.0**-20), FixedPoint(multiplier=0, shift=0)),
        (2.0**-32 * (1 - 2.0**-40), FixedPoint(multiplier=2**30, shift=-31)),
    ],
)
def test_a_multiplier_in_fixed_point(real: float, expected: FixedPoint) -> None:
    assert quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1e-9, float("inf"), float("nan")])
def test_a_multiplier_must_be_finite_and_not_negative(real: float) -> None:
    with pytest.raises(ValueError, match="finite and at least 0"):
        quantize_multiplier(real)


@UNTIMED
@given(st.floats(-1e9, 1e9))
def test_halves_round_away_from_zero(value: float) -> None:
    assert round_half_away(value) == nearest(Fraction(value), half_up=False)


@UNTIMED
@given(INT32, INT32)
def test_high_multiplication_rounds_halves_up_and_saturates(a: int, b: int) -> None:
    expected = min(nearest(Fraction(a * b, 2**31), half_up=True), 2**31 - 1)
    assert int(rounding_doubling_high_mul(a, b)) == expected


def test_high_multiplication_saturates() -> None:
    assert int(rounding_doubling_high_mul(-(2**31), -(2**31))) == 2**31 - 1


@UNTIMED
@given(INT32, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_halves_away(value: int, exponent: int) -> None:
    expected = nearest(Fraction(value, 2**exponent), half_up=False)
    assert int(rounding_divide_by_power_of_two(value, exponent)) == expected


@UNTIMED
@given(INT32, st.integers(2**30, 2**31 - 1), st.integers(-31, 30))
def test_rescaling_is_shift_multiply_shift(value: int, multiplier: int, shift: int) -> None:
    shifted = (value << max(shift, 0)) & 0xFFFFFFFF
    shifted -= (shifted >> 31) << 32
    high = nearest(Fraction(shifted * multiplier, 2**31), half_up=True)
    expected = nearest(Fraction(high, 2 ** max(-shift, 0)), half_up=False)
    assert int(requantize(np.array([value]), multiplier, shift)[0]) == expected


@UNTIMED
@given(st.integers(-(2**40), 2**40))
def test_wrapping_keeps_the_low_32_bits(value: int) -> None:
    wrapped = int(wrap_int32(np.array([value], dtype=np.int64))[0])
    assert -(2**31) <= wrapped < 2**31
    assert (wrapped - value) % 2**32 == 0


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        (Activation.NONE, 0.1, 5, (-128, 127)),
        (Activation.RELU, 0.1, 5, (5, 127)),
        (Activation.RELU, 0.1, -128, (-128, 127)),
        (Activation.RELU6, 0.1, 5, (5, 65)),
        (Activation.RELU6, 0.001, 5, (5, 127)),
        (Activation.RELU_N1_TO_1, 0.1, 5, (-5, 15)),
        (Activation.RELU_N1_TO_1, 0.001, 0, (-128, 127)),
        # 6 / 4 and 1 / 2 are halves.
        (Activation.RELU6, 4.0, 0, (0, 2)),
        (Activation.RELU_N1_TO_1, 2.0, 0, (-1, 1)),
    ],
)
def test_the_range_of_an_activation(
    activation: Activation, scale: float, zero_point: int, expected: tuple[int, int]
) -> None:
    quantization = Quantization(scales=(float(np.float32(scale)),), zero_points=(zero_point,))
    assert activation_range(activation, quantization, DType.INT8) == expected


def test_many_multipliers_are_those_of_one_by_one() -> None:
    rng = np.random.default_rng(4)
    ends = [0.0, 5e-324, 2.0**-32, 2.0**-33, 0.5, 0.5 + 2.0**-33, 1 - 2.0**-54, 1 - 2.0**-33, 1.0]
    reals = [*ends, *(2.0 ** rng.uniform(-40, 29, 3000)).tolist()]
    multipliers, shifts = multipliers_and_shifts(reals)
    points = [quantize_multiplier(real) for real in reals]
    assert multipliers.tolist() == [point.multiplier for point in points]
    assert shifts.tolist() == [point.shift for point in points]
    with pytest.raises(ValueError, match="finite"):
        multipliers_and_shifts([1.0, float("inf")])
