"""FULLY_CONNECTED around the blocks of its MVE kernel: four units, 16 products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from anvil.core.attributes import Activation
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.packing import layout_of, packed
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall

_M55 = next(platform for platform in PLATFORMS if platform.name == "cortex-m55")
_VARIANT = next(v for v in variants_of("fully_connected", "int8") if v.isa == "mve")


def _around_the_blocks() -> list[Case]:
    sizes = [(depth, 5) for depth in (1, 15, 16, 17, 31, 32, 33, 48, 100)]
    sizes += [(20, units) for units in (1, 2, 3, 4, 6, 7, 8, 9)]
    return [
        fully_connected_case(
            (1 + n % 3, depth),
            depth=depth,
            units=units,
            fused=ACTIVATIONS[n % len(ACTIVATIONS)],
            zero_points=ZERO_POINTS[n % len(ZERO_POINTS)],
        )
        for n, (depth, units) in enumerate(sizes)
    ]


@st.composite
def _any_layer(draw: st.DrawFn) -> Case:
    depth, units = draw(st.integers(1, 70)), draw(st.integers(1, 9))
    each = draw(st.booleans())
    return fully_connected_case(
        (draw(st.integers(1, 3)), depth),
        depth=depth,
        units=units,
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.0007, 0.02, 0.11, 1.7]))),
        weight_scales=[0.002 + 0.0003 * unit for unit in range(units)] if each else (0.003,),
        bias=draw(st.sampled_from([(), None])),
    )


def _random_cases() -> list[Case]:
    return drawn_cases(_any_layer(), 40)


def _call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def test_the_kernel_equals_numpy_and_tflite(tmp_path: Path) -> None:
    """And takes nearly all."""
    cases = _around_the_blocks() + _random_cases()
    for case in cases:
        check_references(case)
    results = kernel_outputs(_M55, cases, tmp_path)
    assert sum(_VARIANT.symbol in by_variant for by_variant in results) > 0.8 * len(cases)
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"


def test_sums_that_may_wrap_around_are_left_to_others() -> None:
    def layer(bias: int) -> Case:
        return fully_connected_case((1, 4), depth=4, units=1, bias=[bias], zero_points=(0, 0))

    # Four products are less than 2^17, whatever the weights.
    assert fits(_VARIANT, _call_of(layer(2**31 - 2**17)))
    assert not fits(_VARIANT, _call_of(layer(2**31 - 1)))


def test_weights_and_biases_are_kept() -> None:
    for case in _around_the_blocks():
        call = _call_of(case)
        if not fits(_VARIANT, call):
            continue
        found = layout_of(_VARIANT.layout).unpack(packed(_VARIANT, call), {})
        for constant in call.constants[:2]:
            data = np.ascontiguousarray(found[constant.name]).tobytes()
            assert data == constant.data, (case.name, constant.name)
