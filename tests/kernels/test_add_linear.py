"""ADD in one linear form, 16 at a time: every pair of operands, sizes, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation
from tests.kernels.test_add import add_case
from tests.kernels.test_add_dsp import PAIRS, call_of, every_pair
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_kernels,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS, Platform

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import Variant

_KERNELS = [
    pytest.param(
        next(platform for platform in PLATFORMS if platform.name == name),
        next(v for v in variants_of("add", "int8") if v.name == f"linear__{isa}"),
        id=isa,
    )
    for name, isa in (("wasm32", "simd128"), ("x86-64", "avx2"))
]
_SIZES = [add_case(f"{n} elements", ((n,), (n,))) for n in (2, 3, 15, 16, 17, 31, 32, 33, 47, 64)]


@pytest.mark.parametrize(("platform", "variant"), _KERNELS)
def test_every_size(platform: Platform, variant: Variant, tmp_path: Path) -> None:
    assert all(fits(variant, call_of(case)) for case in _SIZES)
    check_kernels(platform, _SIZES, tmp_path)


def _random_pairs(variant: Variant) -> list[Case]:
    scale = st.floats(0.01, 0.3).map(lambda real: float(np.float32(real)))
    any_case = st.builds(
        every_pair,
        st.tuples(scale, scale, scale),
        st.tuples(*[st.integers(-128, 127)] * 3),
        st.sampled_from([Activation.NONE, Activation.RELU]),
    )
    return [case for case in drawn_cases(any_case, 12) if fits(variant, call_of(case))]


@pytest.mark.parametrize(("platform", "variant"), _KERNELS)
def test_every_pair_of_operands(platform: Platform, variant: Variant, tmp_path: Path) -> None:
    random = _random_pairs(variant)
    assert len(random) > 3
    cases = PAIRS + random
    for case, outputs in zip(cases, kernel_outputs(platform, cases, tmp_path), strict=True):
        np.testing.assert_array_equal(outputs[variant.symbol], reference_outputs(case))


@pytest.mark.parametrize(("platform", "variant"), _KERNELS)
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
def test_what_misses_the_conditions_is_left_to_others(
    platform: Platform, variant: Variant, case: Case
) -> None:
    del platform
    assert not fits(variant, call_of(case))
