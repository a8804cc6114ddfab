"""ADD of two int8 tensors of one shape as one linear form, proved for all operands.

    saturate_int8((first * multiplier1 + second * multiplier2 + start) >> step_bits)

The reference rounds three times. There are no more than 2**16 pairs of operands, and numbers are
taken only where the outputs of all of them are the reference's and nothing wraps around.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import numpy_dtype
from anvil.plan.layouts.add_equal import exact_start, reference_outputs
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_STEP_BITS = (20, 21, 19, 22)  # what is tried; fewer bits have room for larger scales
_FIRST_BITS = 16  # of the shift, in the C kernel
_LEFT_SHIFT = 20  # of operands in the reference
_VALUES = np.arange(-128, 128, dtype=np.int64)
_MOST = 2**31 - 1
_MOST_CHANGES = 10  # of a multiplier: the reference's own rounding is worth about as much
_CHANGES = sorted(
    product(range(-_MOST_CHANGES, _MOST_CHANGES + 1), repeat=2),
    key=lambda pair: pair[0] ** 2 + pair[1] ** 2,
)


def pack(call: KernelCall, options: Mapping[str, int | str]) -> KernelCall:
    """The call of a `vectors` kernel; refused where shapes differ or no numbers are exact."""
    del options
    fields: dict[str, Any] = dict(call.parameters)
    (table,) = call.constants
    loops = np.frombuffer(table.data, numpy_dtype(table.dtype)).reshape(fields["n_loops"], -1)
    if len(loops) != 1 or tuple(loops[0, 1:]) != (1, 1):
        raise NotPackable("its inputs have different shapes")
    wanted = reference_outputs(fields)
    tried = (_numbers(fields, wanted, step_bits) for step_bits in _STEP_BITS)
    found = next((numbers for numbers in tried if numbers is not None), None)
    if found is None:
        raise NotPackable("no linear form is exact for all its operands")
    return replace(
        call,
        parameters=(
            ("n_elements", int(loops[0, 0])),
            *zip(("multiplier1", "multiplier2", "start", "last_shift"), found, strict=True),
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


def _numbers(
    fields: Mapping[str, Any], wanted: npt.NDArray[np.int64], step_bits: int
) -> tuple[int, int, int, int] | None:
    """The fields of the kernel behind the first, None where none are exact with this step."""
    ideal = [
        np.ldexp(
            float(fields[f"{name}_multiplier"]) * float(fields["output_multiplier"]),
            fields[f"{name}_shift"] + fields["output_shift"] - 62 + _LEFT_SHIFT + step_bits,
        )
        for name in ("input1", "input2")
    ]
    # Both products have to fit, and the start beside them.
    if max(ideal) > _MOST >> 7:
        return None
    for first, second in _CHANGES:
        multiplier1 = max(0, round(ideal[0]) + first)
        multiplier2 = max(0, round(ideal[1]) + second)
        products1, products2 = _VALUES * multiplier1, _VALUES * multiplier2
        start = exact_start(wanted, products1, products2, step_bits)
        if start is None:
            continue
        reached = [int(products1[i]) + start for i in (0, -1)]
        reached += [int(products1[i] + products2[i]) + start for i in (0, -1)] + [start]
        if min(reached) >= -_MOST and max(reached) <= _MOST:
            return multiplier1, multiplier2, start, _FIRST_BITS - step_bits
    return None
