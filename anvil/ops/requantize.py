"""Fixed-point rescaling of accumulators, bit for bit as TFLite's reference kernels do it.

A real multiplier is held as `multiplier * 2 ** (shift - 31)` with `multiplier` in
[2**30, 2**31) or 0; a positive shift is a left shift. The C side is
kernels/common/requantize.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.attributes import Activation
from anvil.core.tensor import DType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anvil.core.tensor import Quantization

Int32Array = npt.NDArray[np.int32]

_INTEGER_RANGES = {
    DType.INT8: (-128, 127),
    DType.UINT8: (0, 255),
    DType.INT16: (-32768, 32767),
}
INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """The real number `multiplier * 2 ** (shift - 31)`."""

    multiplier: int  # 0 or in [2**30, 2**31)
    shift: int  # in [-31, ...); positive is a left shift


def round_half_away(value: float) -> int:
    """The nearest integer, halves away from zero, as C's round; never Python's half to even.

    >>> [round_half_away(v) for v in (0.5, 1.5, -0.5, 0.49999999999999994)]
    [1, 2, -1, 0]
    """
    whole = math.trunc(value)
    # The subtraction is exact, where adding 0.5 could round up to the next integer.
    return whole + math.trunc(2.0 * (value - whole))


def quantize_multiplier(real: float) -> FixedPoint:
    """`real` >= 0 as a fixed-point number, as TFLite's QuantizeMultiplier.

    A value below about 2**-32 becomes 0. ValueError where it is negative or not finite.
    """
    if not math.isfinite(real) or real < 0:
        msg = f"a multiplier is finite and at least 0, found {real}"
        raise ValueError(msg)
    if real == 0.0:
        return FixedPoint(multiplier=0, shift=0)
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * 2**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return FixedPoint(multiplier=0, shift=0)
    return FixedPoint(multiplier=multiplier, shift=shift)


def multipliers_and_shifts(reals: Iterable[float]) -> tuple[Int32Array, Int32Array]:
    """What `quantize_multiplier` gives for each: int32 multipliers and int32 shifts.

    All at once, since a model has thousands of channels, and planning asks often.
    """
    values = np.array(list(reals), dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        msg = f"multipliers are finite and at least 0, found {values.tolist()}"
        raise ValueError(msg)
    fractions, exponents = np.frexp(values)
    # 53 bits hold these products and differences exactly; halves go away from zero.
    scaled = fractions * 2.0**31
    whole = np.trunc(scaled)
    multipliers = (whole + np.trunc(2.0 * (scaled - whole))).astype(np.int64)
    shifts = exponents.astype(np.int64) + (multipliers == 2**31)
    multipliers[multipliers == 2**31] = 2**30
    vanishing = shifts < -31
    return (
        np.where(vanishing, 0, multipliers).astype(np.int32),
        np.where(vanishing, 0, shifts).astype(np.int32),
    )


def reduced_multiplier(multiplier: int) -> int:
    """The 15 bits of a fixed-point multiplier that rescale an int64 sum, rounded half up.

    >>> reduced_multiplier(2**30), reduced_multiplier(2**31 - 1)
    (16384, 32767)
    """
    return min((multiplier + (1 << 15)) >> 16, 0x7FFF)


def wrap_int32(value: npt.NDArray[np.int64]) -> Int32Array:
    """The low 32 bits, as two's-complement arithmetic on int32 leaves them."""
    low: npt.NDArray[np.uint32] = value.astype(np.uint64).astype(np.uint32)
    wrapped: Int32Array = low.view(np.int32)
    return wrapped


def rounding_doubling_high_mul(a: npt.ArrayLike, b: npt.ArrayLike) -> Int32Array:
    """round(a * b / 2**31) for int32 values, saturating; gemmlowp's high multiplication.

    The product is nudged by half and divided toward zero, which for every sign is a floor
    after adding one half: halves go up.
    """
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    high = (product + (1 << 30)) >> 31
    saturated: Int32Array = np.minimum(high, INT32_MAX).astype(np.int32)
    return saturated


def rounding_divide_by_power_of_two(value: npt.ArrayLike, exponent: npt.ArrayLike) -> Int32Array:
    """round(value / 2**exponent) for int32 values, 0 <= exponent <= 31, halves away from zero."""
    wide = np.asarray(value, dtype=np.int64)
    bits = np.asarray(exponent, dtype=np.int64)
    mask = (np.int64(1) << bits) - 1
    threshold = (mask >> 1) + (wide < 0)
    return ((wide >> bits) + ((wide & mask) > threshold)).astype(np.int32)


def requantize(
    value: npt.NDArray[Any], multiplier: npt.ArrayLike, shift: npt.ArrayLike
) -> Int32Array:
    """`value` times the fixed-point number, rounded twice: TFLite's MultiplyByQuantizedMultiplier.

    The left shift wraps around in 32 bits, as it does in TFLite. `multiplier` and `shift`
    are broadcast against `value`, the last axis being the channels.
    """
    shifts = np.asarray(shift, dtype=np.int64)
    left = np.maximum(shifts, 0)
    right = np.maximum(-shifts, 0)
    shifted = wrap_int32(np.asarray(value, dtype=np.int64) << left)
    return rounding_divide_by_power_of_two(rounding_doubling_high_mul(shifted, multiplier), right)


def requantize_wide(
    value: npt.NDArray[np.int64], reduced: npt.ArrayLike, shift: npt.ArrayLike
) -> Int32Array:
    """`value` times `reduced * 2 ** (shift - 15)`, halves up: TFLite's rescaling of int64 sums.

    |value| <= 2**47 and shift <= 7, as TFLite assumes; the result keeps its low 32 bits.
    """
    bits = 15 - np.asarray(shift, dtype=np.int64)
    products = value * np.asarray(reduced, dtype=np.int64) + (np.int64(1) << (bits - 1))
    return wrap_int32(products >> bits)


def integer_range(dtype: DType) -> tuple[int, int]:
    """The least and greatest value of a quantized element type."""
    return _INTEGER_RANGES[dtype]


def activation_range(
    activation: Activation, quantization: Quantization, dtype: DType
) -> tuple[int, int]:
    """The quantized values that a fused activation allows, both ends included.

    The bounds are computed in float32, as TFLite does: the quotient of the activation's
    bound and the output's scale, rounded with halves away from zero.
    """
    least, greatest = integer_range(dtype)
    scale = np.float32(quantization.scale)

    def quantized(bound: float) -> int:
        return quantization.zero_point + round_half_away(float(np.float32(bound) / scale))

    match activation:
        case Activation.RELU:
            return max(least, quantized(0.0)), greatest
        case Activation.RELU6:
            return max(least, quantized(0.0)), min(greatest, quantized(6.0))
        case Activation.RELU_N1_TO_1:
            return max(least, quantized(-1.0)), min(greatest, quantized(1.0))
        case Activation.NONE:
            return least, greatest
