"""ADD for AVX2: all that is known of it goes into its parameters, and a broadcast is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.ops.requantize import requantize
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.wide_add import pack, unpack

_FIELDS = {
    "n_rows": 1,
    "n_loops": 1,
    "input1_zero_point": -128,
    "input1_multiplier": 2**30,
    "input1_shift": 0,
    "input2_zero_point": 127,
    "input2_multiplier": 2**31 - 1,
    "input2_shift": -3,
    "output_zero_point": 5,
    "output_multiplier": 1234567890,
    "output_shift": -18,
    "output_min": -128,
    "output_max": 127,
}


def _call(loops: list[list[int]], **changed: int) -> KernelCall:
    return KernelCall(
        op="add",
        dtype="int8",
        parameters=tuple((_FIELDS | changed).items()),
        inputs=(0, 1),
        constants=(constant_of("loops", np.array(loops, np.int32)),),
        outputs=(2,),
        n_macs=0,
    )


def test_nothing_is_lost() -> None:
    packed = pack(_call([[37, 1, 1]]), {})
    again = unpack(packed, {})
    assert packed.constants == ()
    assert again["loops"].tolist() == [[37, 1, 1]]
    for name in ("multiplier", "shift"):
        for role in ("input1", "input2", "output"):
            assert again[f"{role}_{name}"].tolist() == [_FIELDS[f"{role}_{name}"]]


@pytest.mark.parametrize("role", ["input1", "input2"])
def test_every_operand_is_the_reference_s(role: str) -> None:
    fields = {name: int(value) for name, value in pack(_call([[1, 1, 1]]), {}).parameters}
    values = np.arange(256, dtype=np.uint64)
    rounding = (fields[f"{role}_rounding_high"] << 32) + fields[f"{role}_rounding_low"] % 2**32
    products = (values << np.uint64(20)) * np.uint64(fields[f"{role}_multiplier"] % 2**32)
    products += np.uint64(rounding % 2**64)
    high = (products >> np.uint64(32)).astype(np.uint32).view(np.int32)
    below = (values.astype(np.int64) < fields[f"{role}_threshold"]).astype(np.int32)
    found = (high - below) >> fields[f"{role}_shift"]
    raised = (values.astype(np.int64) - 128 - _FIELDS[f"{role}_zero_point"]) << 20
    multiplier = np.full(256, _FIELDS[f"{role}_multiplier"], np.int32)
    shift = np.full(256, _FIELDS[f"{role}_shift"], np.int32)
    np.testing.assert_array_equal(found, requantize(raised, multiplier, shift))


@pytest.mark.parametrize("loops", [[[37, 1, 0]], [[37, 0, 1]], [[37, 2, 1]]])
def test_a_broadcast_is_refused(loops: list[list[int]]) -> None:
    with pytest.raises(NotPackable, match="an input is broadcast"):
        pack(_call(loops), {})
    with pytest.raises(NotPackable, match="an input is broadcast"):
        pack(replace(_call([[3, 2, 1], [2, 1, 1]], n_loops=2, n_rows=3)), {})


def test_sums_that_are_not_scaled_down_are_refused() -> None:
    with pytest.raises(NotPackable, match="scaled by 1/2 or more"):
        pack(_call([[37, 1, 1]], output_shift=0), {})
