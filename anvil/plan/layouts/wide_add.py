"""int8 ADD of tensors of one shape, rescaled three times by products of 64 bits.

Operands have 128 added to them, so that they are from 0 to 255; then as in wide_rescale:

    high    = (operand * 2^20 * multiplier + rounding) >> 32
    value   = (high - (operand < threshold)) >> shift      for each of the two
    output  = the sum of both, with 2^31 added, rescaled as the sums of convolutions are

The threshold is the zero point; without a right shift there is no second rounding, and it is 0,
which no operand is below. The loops are gone, since there is one and it has no gaps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.plan.layouts.byte_rescale import array_of_constant
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import SumRange
from anvil.plan.layouts.wide_rescale import SIGN, rounding_twice

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]
    Fields = tuple[tuple[str, int | float], ...]

_UNSIGNED = 128
_RAISED_BITS = 20  # of TFLite's operands, below the point


def pack(call: KernelCall, _options: Options) -> KernelCall:
    """`call` of add without its loops. Raises NotPackable where an input is broadcast."""
    fields = {name: int(value) for name, value in call.parameters}
    loops = array_of_constant(call.constants[0]).reshape(fields["n_loops"], 3)
    if fields["n_loops"] != 1 or fields["n_rows"] != 1 or loops[0, 1:].tolist() != [1, 1]:
        msg = "an input is broadcast"
        raise NotPackable(msg)
    # Both operands are below 2^28 in magnitude, and no multiplier makes them more.
    reach = np.array([2 * 255 << _RAISED_BITS], np.int64)
    output = rounding_twice(
        np.array([fields["output_multiplier"]], np.int32),
        np.array([fields["output_shift"]], np.int32),
        SumRange(low=-reach, high=reach),
    )
    parameters: Fields = (
        ("n_elements", int(loops[0, 0])),
        *_operand(fields, "input1"),
        *_operand(fields, "input2"),
        ("output_multiplier", _signed(int(output.multiplier[0]))),
        *_halves("output_rounding", int(output.rounding[0])),
        ("output_shift", int(output.shift[0])),
        *((name, fields[name]) for name in ("output_zero_point", "output_min", "output_max")),
    )
    return replace(call, parameters=parameters, constants=())


def unpack(packed: KernelCall, _options: Options) -> dict[str, Array]:
    """The loop, and what the kernel's parameters have been made from."""
    fields = {name: int(value) for name, value in packed.parameters}
    found: dict[str, Array] = {"loops": np.array([[fields["n_elements"], 1, 1]], np.int32)}
    for role in ("input1", "input2", "output"):
        found[f"{role}_multiplier"] = np.array([(fields[f"{role}_multiplier"] % 2**32) // 2])
        found[f"{role}_shift"] = np.array([-fields[f"{role}_shift"]])
    return found


def _operand(fields: Mapping[str, int], role: str) -> Fields:
    multiplier = 2 * fields[f"{role}_multiplier"]
    shift, zero_point = -fields[f"{role}_shift"], fields[f"{role}_zero_point"] + _UNSIGNED
    half = 1 << (shift - 1) if shift else 0
    rounding = SIGN - (zero_point << _RAISED_BITS) * multiplier + (half << 32)
    return (
        (f"{role}_multiplier", _signed(multiplier)),
        *_halves(f"{role}_rounding", rounding),
        (f"{role}_threshold", zero_point if shift else 0),
        (f"{role}_shift", shift),
    )


def _halves(name: str, value: int) -> Fields:
    return ((f"{name}_low", _signed(value % 2**32)), (f"{name}_high", value >> 32))


def _signed(word: int) -> int:
    return word - 2**32 if word >= SIGN else word
