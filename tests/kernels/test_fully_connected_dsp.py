"""FULLY_CONNECTED on the DSP extension: sizes around its blocks, conditions, packing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts import channel_pairs
from anvil.plan.layouts.packing import packed
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.paired_cases import pairable
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import ZERO_POINTS

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
VARIANT = next(
    v for v in variants_of("fully_connected", "int8") if v.symbol.endswith("blocks__dsp")
)
OPTIONS = dict(VARIANT.layout_options)


def case_of(
    batches: int,
    depth: int,
    units: int,
    *,
    zero_points: tuple[int, int] = (-5, 7),
    weight_scales: tuple[float, ...] = (0.003,),
) -> Case:
    return pairable(
        fully_connected_case(
            (batches, depth),
            depth=depth,
            units=units,
            zero_points=zero_points,
            weight_scales=weight_scales,
            label="dsp",
        )
    )


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def _cases() -> list[Case]:
    # Blocks are 8 units and 4 inputs; 16 inputs are one round of the loop.
    cases = [case_of(1 + n % 3, n, 8) for n in (*range(1, 10), 15, 16, 17, 18, 20, 31, 32, 33, 640)]
    cases += [case_of(1 + n % 2, 12, n) for n in (6, 7, 8, 12, 13, 15, 16, 18, 23, 24, 25, 40)]
    cases += [case_of(3, 8, 16 + 8 * n, zero_points=ZERO_POINTS[n]) for n in range(5)]
    by_unit = tuple(0.001 * 2.0 ** (n % 5) for n in range(16))
    cases += [case_of(2, 20, 16, zero_points=z, weight_scales=by_unit) for z in ZERO_POINTS]
    # A unit's own exponent: scales that the common one has no bits for.
    cases += [case_of(2, 20, 16, weight_scales=(scale,)) for scale in (1.5, 0.9, 2e-5, 1e-9)]
    return cases


CASES = _cases()


@pytest.fixture(scope="module")
def random_cases() -> list[Case]:
    any_case = st.builds(
        case_of,
        st.integers(1, 3),
        st.integers(1, 70),
        st.integers(6, 34),
        zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
        weight_scales=st.tuples(st.sampled_from([0.0004, 0.003, 0.02, 0.4])),
    )
    return drawn_cases(any_case, 40)


def test_numpy_equals_tflite(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        check_references(case)


def test_kernels_equal_numpy(random_cases: list[Case], tmp_path: Path) -> None:
    assert all(fits(VARIANT, call_of(case)) for case in CASES)
    found = {dict(packed(VARIANT, call_of(case)).parameters)["own_exponents"] for case in CASES}
    assert found == {0, 1}
    check_kernels(CORTEX_M4F, CASES + random_cases, tmp_path)


def test_packing_loses_nothing(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        call = call_of(case)
        if not fits(VARIANT, call):
            continue
        again = channel_pairs.unpack(channel_pairs.pack(call, OPTIONS), OPTIONS)
        for constant in call.constants[:2]:
            assert again[constant.name].tobytes() == constant.data, (case.name, constant.name)


def test_blocks_that_are_mostly_unused_are_refused() -> None:
    units = [n for n in range(1, 30) if fits(VARIANT, call_of(case_of(1, 8, n)))]
    assert units == [6, 7, 8, 12, 13, 14, 15, 16, *range(18, 30)]


def test_weights_that_overflow_a_halfword_are_refused() -> None:
    case = fully_connected_case((1, 4), depth=4, units=8, weights=[-1] * 4 + [-128] * 28)
    assert not fits(VARIANT, call_of(case))
