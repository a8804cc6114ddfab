"""The kernels with dot products: what the others of AArch64 compute, and every weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.constants import arrays_of
from tests.kernels import (
    test_conv_2d,
    test_conv_2d_neon,
    test_depthwise_conv_2d,
    test_fully_connected,
)
from tests.kernels import test_depthwise_conv_2d_neon as test_depthwise_neon
from tests.kernels.test_whole_vectors_neon import bounds, extreme_units, products, random_products
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.paired_cases import pairable
from tests.support.platforms import CORTEX_A76
from tests.support.window_cases import Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path


_PADDINGS = (Padding.SAME, Padding.VALID)


def _least_weights() -> list[Case]:
    """Weights of -128 alone, which two products of 16 bits cannot hold."""
    with_weights = (test_conv_2d_neon.with_weights, test_depthwise_neon.with_weights, extreme_units)
    return [make([-128], value) for make in with_weights for value in (-128, 127)]


def _pairs_of_pixels() -> list[Case]:
    """3x3 over images as wide and as narrow as two windows, and around them."""
    return [
        test_depthwise_neon.small_depthwise(
            Windows(image=(3 + width % 2, width), filter=(3, 3), padding=padding, stride=(down, 1)),
            n_channels,
            width,
        )
        for n_channels in (8, 13, 16, 37)
        for padding in _PADDINGS
        for width in range(3 if padding is Padding.VALID else 1, 9)
        for down in (1, 2)
    ]


@st.composite
def _any_3x3(draw: st.DrawFn) -> Case:
    return pairable(
        depthwise_case(
            Windows(
                image=(draw(st.integers(3, 7)), draw(st.integers(3, 12))),
                filter=(3, 3),
                padding=draw(st.sampled_from(_PADDINGS)),
            ),
            input_channels=draw(st.integers(8, 50)),
            depth_multiplier=1,
            batches=draw(st.integers(1, 2)),
            fused=draw(st.sampled_from(Activation)),
            zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
            scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
        )
    )


def _random_pairs() -> list[Case]:
    return drawn_cases(_any_3x3(), 40)


def _is_taken(case: Case) -> bool:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return any(fits(v, call) for v in variants_of(call.op, call.dtype) if v.isa == "dotprod")


@pytest.fixture(scope="module")
def own_cases() -> list[Case]:
    """What these kernels alone take, or take in another way."""
    return _least_weights() + _pairs_of_pixels() + _random_pairs()


def test_numpy_equals_tflite(own_cases: list[Case]) -> None:
    for case in own_cases:
        check_references(case)


def test_kernels_equal_numpy(own_cases: list[Case], tmp_path: Path) -> None:
    cases = [*test_conv_2d.CASES, *test_depthwise_conv_2d.CASES, *test_fully_connected.CASES]
    for module in (test_conv_2d_neon, test_depthwise_neon):
        cases += [*module.around_the_blocks(), *module.at_the_bounds(), *module.random_cases()]
    cases += [*products(), *bounds(), *random_products(), *own_cases]
    check_kernels(CORTEX_A76, [case for case in cases if _is_taken(case)], tmp_path)


def test_every_weight_is_taken() -> None:
    for case in _least_weights():
        (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
        for isa, expected in (("dotprod", True), ("neon", False)):
            (variant,) = (v for v in variants_of(call.op, "int8") if v.isa == isa)
            assert fits(variant, call) is expected, case.name


def test_scales_of_a_half_or_more_are_left_to_the_scalar_kernel() -> None:
    (variant,) = (v for v in variants_of("conv_2d", "int8") if v.isa == "dotprod")
    found = set()
    for case in test_conv_2d.CASES:
        (call,) = DEFINITIONS["CONV_2D"].lower(case.op, case.graph)
        arrays = arrays_of(call)
        is_small = bool((arrays["shift"][arrays["multiplier"] != 0] < 0).all())
        expected = is_small and dict(call.parameters)["n_groups"] == 1
        assert fits(variant, call) is expected, case.name
        found.add(expected)
    assert found == {False, True}
