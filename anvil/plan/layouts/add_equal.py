"""ADD of two int8 tensors of one shape as two multiplications and a sum, proved for all operands.

    saturate_int8(((first * 2**8 * m1 >> 16) + (second * 2**8 * m2 >> 16) + start) >> STEP_BITS)

The reference rounds three times. There are no more than 2**16 pairs of operands, and numbers are
taken only where the outputs of all of them are the reference's.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import numpy_dtype
from anvil.ops.requantize import INT32_MAX, INT32_MIN, requantize
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import INT8_MAX, INT8_MIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Int64Array = npt.NDArray[np.int64]

_STEP_BITS = 21  # the C kernel has the same
_LEFT_SHIFT = 20  # of operands in the reference
_VALUES = np.arange(-128, 128, dtype=np.int64)
_FEW = slice(None, None, 5)  # of these, with both ends: enough to refuse most numbers
_FAR = 2**62
# By how much multipliers are changed: the reference's own rounding is worth about as much.
_CHANGE = 16
_MOST_CHANGES = 10
_CHANGES = sorted(
    product(range(-_MOST_CHANGES, _MOST_CHANGES + 1), repeat=2),
    key=lambda pair: pair[0] ** 2 + pair[1] ** 2,
)


def pack(call: KernelCall, options: Mapping[str, int | str]) -> KernelCall:
    """The call of an `equal` kernel; refused where shapes differ or no numbers are exact."""
    del options
    fields: dict[str, Any] = dict(call.parameters)
    (table,) = call.constants
    loops = np.frombuffer(table.data, numpy_dtype(table.dtype)).reshape(fields["n_loops"], -1)
    if len(loops) != 1 or tuple(loops[0, 1:]) != (1, 1):
        msg = "its inputs have different shapes"
        raise NotPackable(msg)
    multiplier1, multiplier2, start = _numbers(fields)
    return replace(
        call,
        parameters=(
            ("n_elements", int(loops[0, 0])),
            ("multiplier1", multiplier1),
            ("multiplier2", multiplier2),
            ("start", start),
        ),
        constants=(),
    )


def unpack(
    packed: KernelCall, options: Mapping[str, int | str]
) -> dict[str, npt.NDArray[np.int32]]:
    """The table of loops, which equal shapes have in common."""
    del options
    n_elements = dict(packed.parameters)["n_elements"]
    return {"loops": np.array([[n_elements, 1, 1]], dtype=np.int32)}


def reference_outputs(fields: Mapping[str, Any]) -> Int64Array:
    """The outputs of all operands: [first + 128, second + 128]."""
    operands = []
    for name in ("input1", "input2"):
        raised = (_VALUES - fields[f"{name}_zero_point"]) << _LEFT_SHIFT
        operands.append(
            requantize(
                raised.astype(np.int32),
                np.int32(fields[f"{name}_multiplier"]),
                np.int32(fields[f"{name}_shift"]),
            ).astype(np.int64)
        )
    sums = operands[0][:, None] + operands[1]
    scaled = requantize(
        sums.astype(np.int32),
        np.int32(fields["output_multiplier"]),
        np.int32(fields["output_shift"]),
    ).astype(np.int64)
    found: Int64Array = np.clip(
        scaled + fields["output_zero_point"], fields["output_min"], fields["output_max"]
    )
    return found


def exact_start(
    wanted: Int64Array, products1: Int64Array, products2: Int64Array, step_bits: int
) -> int | None:
    """What to add so that saturate_int8(sum >> step_bits) is `wanted`; None where nothing is right.

    wanted: [first + 128, second + 128], the products likewise.
    """
    for some in (_FEW, slice(None)):
        outputs = wanted[some, some]
        sums = products1[some, None] + products2[some]
        least = np.where(outputs > INT8_MIN, (outputs << step_bits) - sums, -_FAR).max()
        greatest = np.where(outputs < INT8_MAX, ((outputs + 1) << step_bits) - 1 - sums, _FAR).min()
        if least > greatest:
            return None
    # Where all outputs are the same bound, the other bound of the start is far away.
    return int(greatest if least < -_FAR // 2 else (least + min(greatest, least + 2**31)) >> 1)


def _numbers(fields: Mapping[str, Any]) -> tuple[int, int, int]:
    wanted = reference_outputs(fields)
    ideal = [
        np.ldexp(
            float(fields[f"{name}_multiplier"]) * float(fields["output_multiplier"]),
            fields[f"{name}_shift"] + fields["output_shift"] - 62 + _LEFT_SHIFT + _STEP_BITS + 8,
        )
        for name in ("input1", "input2")
    ]
    if not max(ideal) < 2**31 - _CHANGE * _MOST_CHANGES:
        msg = "its inputs' scales are too large for its output's"
        raise NotPackable(msg)
    for first, second in _CHANGES:
        multiplier1 = max(0, round(ideal[0]) + first * _CHANGE)
        multiplier2 = max(0, round(ideal[1]) + second * _CHANGE)
        products1, products2 = _VALUES * multiplier1 >> 8, _VALUES * multiplier2 >> 8
        start = exact_start(wanted, products1, products2, _STEP_BITS)
        if start is None:
            continue
        least = start + int(products1.min() + products2.min())
        greatest = start + int(products1.max() + products2.max())
        if least >= INT32_MIN and greatest <= INT32_MAX:
            return multiplier1, multiplier2, start
    msg = "no two multiplications are exact for all its operands"
    raise NotPackable(msg)
