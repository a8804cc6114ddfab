"""FULLY_CONNECTED around the blocks of its AVX2 kernel: 8, 16 and 64 units, 4 products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.byte_rescale import Form
from anvil.plan.layouts.packing import packed
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.byte_cases import with_pairs
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, variants_of
from tests.support.platforms import Platform
from tests.support.x86_platforms import X86_PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path


def _case(batches: int, depth: int, units: int, label: str = "avx2") -> Case:
    return fully_connected_case((batches, depth), depth=depth, units=units, label=label)


def _wide(units: int) -> Case:
    """Sums of more bits than float32 has, so that rescaling multiplies whole numbers."""
    bias = [(-1) ** i * ((1 << 25) + 400_000 * i) for i in range(units)]
    return fully_connected_case(
        (2, 9), depth=9, units=units, bias=bias, scales=(0.00004, 0.11), label="wide"
    )


def _around_the_blocks() -> list[Case]:
    cases = [_case(2, 5, n) for n in (1, 7, 8, 9, 15, 16, 17, 24, 33, 63, 64, 65, 80, 81, 129)]
    cases += [_case(1, n, 17) for n in (1, 2, 3, 4, 6, 7, 8, 31, 33, 200)]
    cases += [_wide(n) for n in (5, 17, 63, 70, 129)]
    for most in (64, 65):
        cases += [
            with_pairs(_case(1, 12, units, label=f"pairs{most}"), most) for units in (5, 19, 70)
        ]
    return cases


@st.composite
def _any_layer(draw: st.DrawFn) -> Case:
    depth = draw(st.integers(1, 70))
    case = fully_connected_case(
        (draw(st.integers(1, 3)), depth),
        depth=depth,
        units=draw(st.integers(1, 140)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.11, 1.3]))),
        weight_scales=draw(st.sampled_from([(0.003,), (0.0001,), (0.02,)])),
        label="any",
    )
    return with_pairs(case, draw(st.sampled_from([64, 65, 128])))


def _random_cases() -> list[Case]:
    return drawn_cases(_any_layer(), 40)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same for every platform."""
    return _around_the_blocks() + _random_cases()


def test_both_ways_to_rescale_are_met(cases: list[Case]) -> None:
    (kernel,) = (v for v in variants_of("fully_connected", "int8") if v.isa == "avx2")
    met = set()
    for case in cases:
        (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
        fields = dict(packed(kernel, call).parameters)
        met.add((Form(int(fields["form"])), int(fields["units"]) > 48))
    assert met == {(form, is_more) for form in (Form.FUSED, Form.WIDE) for is_more in (False, True)}


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


@pytest.mark.parametrize("platform", X86_PLATFORMS, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, cases: list[Case], tmp_path: Path) -> None:
    check_kernels(platform, cases, tmp_path)
