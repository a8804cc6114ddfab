"""SOFTMAX of a tensor over its last axis; on int8 and int16 in fixed point throughout.

On floats each difference to the row's maximum is exponentiated, and each result divided by
their sum; the tolerance covers what one exp differs from another in. int16 is in
softmax_int16.py.

On int8 TFLite's reference computes exp of each difference to the row's maximum in fixed point, adds
them up with 12 integer bits, inverts the sum by three steps of Newton's method and
multiplies. Differences are whole numbers from 0 to 255, so that their exponentials are a
table made at build time (1 KiB at most); the rest runs on the device in the same integers.
No floating point on the device means that no target can round differently.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anvil.core.attributes import SoftmaxAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.core.tolerance import Tolerance
from anvil.ops import softmax_int16
from anvil.ops.arrays import constant_of
from anvil.ops.checks import attributes_of, input_tensors, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_problems, unary_shapes
from anvil.ops.requantize import (
    INT32_MAX,
    INT32_MIN,
    FixedPoint,
    Int32Array,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_mul,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import Array

_DIFFERENCE_BITS = 26  # fractional bits of a scaled difference; 5 integer bits are left
_SUM_INTEGER_BITS = 12
_MAX_DEPTH = (1 << _SUM_INTEGER_BITS) - 1
_OUTPUT_SCALE = 1 / 256
_OUTPUT_ZERO_POINT = -128


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type with one scale each, and an output of another range than 0 to 1."""
    problems = unary_problems(op, graph)
    if problems:
        return problems
    match output_tensor(op, graph).dtype:
        case DType.FLOAT32:
            return _float_problems(op, graph)
        case DType.INT16:
            return softmax_int16.problems(op, graph)
    source, output = input_tensors(op, graph)[0], output_tensor(op, graph)
    if not source.shape:
        problems.append(f"its input {source.name!r} is a scalar; it needs an axis to run over")
    elif source.shape[-1] > _MAX_DEPTH:
        problems.append(
            f"its last axis has {source.shape[-1]} elements; {_MAX_DEPTH} are the most whose "
            "exponentials can be added up in fixed point"
        )
    quantization = quantization_of(output)
    # TFLite's reference allows the scale that much leeway, and does not use it.
    if (
        quantization.zero_point != _OUTPUT_ZERO_POINT
        or abs(np.float32(quantization.scale) - np.float32(_OUTPUT_SCALE)) > 0.001 * _OUTPUT_SCALE
    ):
        problems.append(
            f"its output has scale {quantization.scale:g} and zero point "
            f"{quantization.zero_point}; int8 SOFTMAX has 1/256 and -128, as in TFLite"
        )
    beta = attributes_of(op, SoftmaxAttributes).beta
    if not math.isfinite(beta) or _real_multiplier(op, graph) <= 1.0:
        problems.append(
            f"its beta {beta:g} times its input scale {quantization_of(source).scale:g} is not "
            "above 2**-26; a smaller product makes every output equal, and TFLite refuses it"
        )
    return problems


def _float_problems(op: Op, graph: Graph) -> list[str]:
    source = input_tensors(op, graph)[0]
    beta = attributes_of(op, SoftmaxAttributes).beta
    problems = []
    if not source.shape:
        problems.append(f"its input {source.name!r} is a scalar; it needs an axis to run over")
    if not math.isfinite(beta):
        problems.append(f"its beta is {beta:g}; it must be a finite number")
    return problems


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Probabilities; int8 with scale 1/256 and zero point -128, int16 with scale 1/32768."""
    values = inputs[0]
    assert values is not None
    match output_tensor(op, graph).dtype:
        case DType.FLOAT32:
            return (_float_reference(op, values.astype(np.float32)),)
        case DType.INT16:
            return (softmax_int16.reference(op, graph, values),)
    table = _exponentials(op, graph)
    wide = values.astype(np.int32)
    differences = wide.max(axis=-1, keepdims=True) - wide
    counted = differences < len(table)
    exponentials = np.where(counted, table[np.minimum(differences, len(table) - 1)], 0)
    terms = rounding_divide_by_power_of_two(exponentials, _SUM_INTEGER_BITS)
    sums = terms.sum(axis=-1, keepdims=True, dtype=np.int32)
    # The sum is at least 1, so that its leading bit is bit 19 or above.
    headroom = np.vectorize(lambda total: 32 - int(total).bit_length(), otypes=[np.int64])(sums)
    mantissas = ((sums.astype(np.int64) << headroom) - (1 << 31)).astype(np.int32)
    products = rounding_doubling_high_mul(_one_over_one_plus(mantissas), exponentials)
    # TFLite's reference aborts where the shift is above 31. There, rows of 512 or more
    # nearly equal values, every output rounds to 0.
    shifts = _SUM_INTEGER_BITS - headroom + 31 - 8
    rounded = np.where(
        shifts > 31, 0, rounding_divide_by_power_of_two(products, np.minimum(shifts, 31))
    )
    return (np.clip(rounded + _OUTPUT_ZERO_POINT, -128, 127).astype(np.int8),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call; rows of the last axis are independent."""
    source = input_tensors(op, graph)[0]
    if source.dtype is DType.INT16:
        return softmax_int16.lower(op, graph)
    if source.dtype is DType.FLOAT32:
        return (_float_call(op, source),)
    table = _exponentials(op, graph)
    return (
        KernelCall(
            op="softmax",
            dtype="int8",
            parameters=(
                ("n_rows", math.prod(source.shape[:-1])),
                ("depth", source.shape[-1]),
                ("n_exponentials", len(table)),
            ),
            inputs=op.inputs,
            constants=(constant_of("exponentials", table),),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


def _float_reference(op: Op, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    beta = np.float32(attributes_of(op, SoftmaxAttributes).beta)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        exponentials = np.exp((values - values.max(axis=-1, keepdims=True)) * beta)
        probabilities: npt.NDArray[np.float32] = exponentials / exponentials.sum(
            axis=-1, keepdims=True, dtype=np.float32
        )
    return probabilities


def _float_call(op: Op, source: Tensor) -> KernelCall:
    return KernelCall(
        op="softmax",
        dtype="float32",
        parameters=(
            ("n_rows", math.prod(source.shape[:-1])),
            ("depth", source.shape[-1]),
            ("beta", attributes_of(op, SoftmaxAttributes).beta),
        ),
        inputs=op.inputs,
        constants=(),
        outputs=op.outputs,
        n_macs=0,
    )


def _real_multiplier(op: Op, graph: Graph) -> float:
    """From a difference of quantized values to one of scaled values in fixed point."""
    beta = attributes_of(op, SoftmaxAttributes).beta
    scale = quantization_of(input_tensors(op, graph)[0]).scale
    return min(beta * scale * (1 << _DIFFERENCE_BITS), float(INT32_MAX))


def _exponentials(op: Op, graph: Graph) -> Int32Array:
    """exp(-d * scale * beta) in Q0.31 for d = 0, 1, ...; what lies beyond counts as 0.

    The table ends at 255 or where the scaled difference leaves 5 integer bits.
    """
    point = quantize_multiplier(_real_multiplier(op, graph))
    greatest = (31 << _DIFFERENCE_BITS) >> point.shift
    differences = np.arange(min(greatest, 255) + 1, dtype=np.int64)
    return _exp_of_negative(_scaled(-differences, point))


def _scaled(differences: npt.NDArray[np.int64], point: FixedPoint) -> Int32Array:
    """Only a right operand of the multiplication is rounded: the shift is to the left."""
    return rounding_doubling_high_mul(differences << point.shift, point.multiplier)


def _exp_of_negative(scaled: Int32Array) -> Int32Array:
    """The exponential, in Q0.31, of values in Q5.26 at or below 0, as gemmlowp computes it.

    The value is split into a part in [-1/4, 0), whose exponential is a polynomial, and a
    multiple of 1/4, whose exponential is a product of constants, one for each set bit.
    """
    quarter = 1 << (_DIFFERENCE_BITS - 2)
    fraction = (scaled & (quarter - 1)) - quarter
    result = _exp_near_zero(fraction << 5)
    remainder = fraction - scaled
    for exponent in range(-2, 5):
        multiplied = rounding_doubling_high_mul(result, _exp_of_minus_power(exponent))
        is_set = (remainder >> (_DIFFERENCE_BITS + exponent)) & 1
        result = np.where(is_set == 1, multiplied, result)
    return np.where(scaled == 0, INT32_MAX, result).astype(np.int32)


def _exp_of_minus_power(exponent: int) -> int:
    """exp(-2**exponent) in Q0.31, rounded to nearest."""
    return round(math.exp(-(2.0**exponent)) * 2**31)


def _exp_near_zero(a: Int32Array) -> Int32Array:
    """The exponential of Q0.31 values in [-1/4, 0): a Taylor polynomial of degree 4 around -1/8."""
    x = a + (1 << 28)
    x2 = rounding_doubling_high_mul(x, x)
    x3 = rounding_doubling_high_mul(x2, x)
    x4_over_4 = rounding_divide_by_power_of_two(rounding_doubling_high_mul(x2, x2), 2)
    one_third = round(2**31 / 3)
    higher = rounding_divide_by_power_of_two(
        rounding_doubling_high_mul(x4_over_4 + x3, one_third) + x2, 1
    )
    constant = round(math.exp(-1 / 8) * 2**31)
    return (constant + rounding_doubling_high_mul(x + higher, constant)).astype(np.int32)


def _one_over_one_plus(a: Int32Array) -> Int32Array:
    """1 / (1 + a) for Q0.31 values in [0, 1), in Q0.31, as gemmlowp computes it.

    Newton's method on half the denominator, in Q2.29, from the best linear estimate.
    """
    half = ((a.astype(np.int64) + INT32_MAX + 1) >> 1).astype(np.int32)
    x = round(48 / 17 * 2**29) + rounding_doubling_high_mul(half, round(-32 / 17 * 2**29))
    for _ in range(3):
        error = (1 << 29) - rounding_doubling_high_mul(half, x)
        x = x + _saturating_shift_left(rounding_doubling_high_mul(x, error), 2)
    return _saturating_shift_left(x, 1)


def _saturating_shift_left(value: Int32Array, bits: int) -> Int32Array:
    wide: npt.NDArray[np.int64] = value.astype(np.int64) << bits
    return np.clip(wide, INT32_MIN, INT32_MAX).astype(np.int32)


DEFINITION = OperatorDefinition(
    kind="SOFTMAX",
    folder="softmax",
    is_alias=False,
    check=check,
    infer_shapes=unary_shapes,
    reference=reference,
    lower=lower,
    tolerance=Tolerance(absolute=0.0, relative=1e-6),
)
