"""ADD on MVE: every pair of operands, sizes around eight, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.attributes import Activation
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.kernels.test_add import add_case
from tests.kernels.test_add_dsp import PAIRS, call_of, every_pair
from tests.support.kernel_harness import (
    Case,
    check_kernels,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path

_M55 = next(platform for platform in PLATFORMS if platform.name == "cortex-m55")
_VARIANT = next(v for v in variants_of("add", "int8") if v.isa == "mve")
_SIZES = [add_case(f"{n} elements", ((n,), (n,))) for n in (2, 7, 8, 9, 15, 16, 17, 24, 31)]


def test_every_pair_and_every_size(tmp_path: Path) -> None:
    assert all(fits(_VARIANT, call_of(case)) for case in PAIRS + _SIZES)
    check_kernels(_M55, _SIZES, tmp_path)
    for pairs in (PAIRS[:3], PAIRS[3:]):  # the emulated board has no room for all
        for case, outputs in zip(pairs, kernel_outputs(_M55, pairs, tmp_path), strict=True):
            np.testing.assert_array_equal(outputs[_VARIANT.symbol], reference_outputs(case))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.tuples(*[st.floats(0.001, 1.0)] * 3),
    st.tuples(*[st.integers(-128, 127)] * 3),
    st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6]),
)
def test_what_is_packed_is_right_for_every_pair(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], fused: Activation
) -> None:
    scales = tuple(float(np.float32(scale)) for scale in scales)  # type: ignore[assignment]
    case = every_pair(scales, zero_points, fused)
    try:
        found = dict(packed(_VARIANT, call_of(case)).parameters)
    except NotPackable:
        return
    first, second = (values.astype(np.int64) for values in case.inputs)
    m1, m2, start = (int(found[name]) for name in ("multiplier1", "multiplier2", "start"))
    sums = start + first * m1 + second * m2
    assert abs(sums).max() < 2**31
    assert abs(start + first * m1).max() < 2**31
    np.testing.assert_array_equal(
        np.clip(sums >> 16 - int(found["last_shift"]), -128, 127), reference_outputs(case)[0]
    )


@pytest.mark.parametrize(
    "case",
    [
        add_case("a scalar operand", ((2, 3), ())),
        add_case("one per channel", ((2, 3), (3,))),
        add_case("too large scales", ((8,), (8,)), scales=(5.0, 0.1, 0.1)),
        add_case("a bound that saturation has not", ((8,), (8,)), act=Activation.RELU),
    ],
    ids=lambda case: case.name,
)
def test_what_misses_the_conditions_is_left_to_others(case: Case) -> None:
    assert not fits(_VARIANT, call_of(case))


def test_nothing_is_lost() -> None:
    call = call_of(_SIZES[4])
    (loops,) = layout_of(_VARIANT.layout).unpack(packed(_VARIANT, call), {}).values()
    assert loops.tobytes() == call.constants[0].data
