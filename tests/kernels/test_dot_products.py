"""The kernels with dot products: what the others of AArch64 compute, and every weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.constants import arrays_of
from tests.kernels import test_conv_2d, test_fully_connected
from tests.kernels.test_conv_2d_neon import (
    around_the_blocks,
    at_the_bounds,
    random_cases,
    with_weights,
)
from tests.kernels.test_whole_vectors_neon import bounds, extreme_units, products, random_products
from tests.support.kernel_harness import (
    CORTEX_A76,
    Case,
    check_kernels,
    check_references,
    fits,
    variants_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def _least_weights() -> list[Case]:
    """Weights of -128 alone, which two products of 16 bits cannot hold."""
    return [make([-128], value) for make in (with_weights, extreme_units) for value in (-128, 127)]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Those of the other kernels, and what these alone take."""
    convolutions = [*test_conv_2d.CASES, *around_the_blocks(), *at_the_bounds(), *random_cases()]
    layers = [*test_fully_connected.CASES, *products(), *bounds(), *random_products()]
    return convolutions + layers + _least_weights()


def test_numpy_equals_tflite() -> None:
    for case in _least_weights():
        check_references(case)


def test_kernels_equal_numpy(cases: list[Case], tmp_path: Path) -> None:
    check_kernels(CORTEX_A76, cases, tmp_path)


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
