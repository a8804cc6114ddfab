"""ADD, FULLY_CONNECTED and AVERAGE_POOL_2D around the vectors of their AArch64 kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from tests.kernels.test_add import add_case
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.platforms import PLATFORMS, Platform
from tests.support.window_cases import ZERO_POINTS, Windows, pool_case

if TYPE_CHECKING:
    from pathlib import Path

_ARM = [platform for platform in PLATFORMS if platform.core.startswith("cortex-a")]


def _sums() -> list[Case]:
    # Scales that one linear form is exact for, and those of a model that none is.
    scales = ((0.05, 0.05, 0.1), (0.0251, 0.0331, 0.0339), (0.05, 0.07, 0.11))
    cases = [
        add_case(
            f"{n}_{act.value}_{number}",
            ((n,), (n,)),
            scales=given,
            zero_points=zero_points,
            act=act,
        )
        for n in (1, 7, 8, 9, 15, 16, 17, 31, 32, 33)
        for number, given in enumerate(scales)
        for act, zero_points in (
            (Activation.NONE, (-128, 4, -128)),
            (Activation.RELU6, (127, -5, 3)),
        )
    ]
    values = np.arange(-128, 128).astype(np.int8)
    return cases + [
        replace(
            add_case(f"pairs_{number}", ((1 << 16,), (1 << 16,)), scales=given),
            inputs=(np.repeat(values, 256), np.tile(values, 256)),
        )
        for number, given in enumerate(scales)
    ]


def extreme_units(weights: list[int], value: int) -> Case:
    """All products alike; the weights in turn over halves of a step."""
    row = np.repeat(np.resize(weights, 5), 8)
    return fully_connected_case(
        (1, 40),
        depth=40,
        units=9,
        scales=(0.04, 30.0),
        weights=np.tile(row, 9).tolist(),
        values=[value] * 40,
        label=f"extreme_{weights}_{value}",
    )


def bounds() -> list[Case]:
    return [
        extreme_units(weights, value)
        for weights in ([-128, -127], [127], [-127])
        for value in (-128, 127)
    ]


def products() -> list[Case]:
    sizes = [(depth, 8) for depth in (1, 2, 15, 16, 17, 31, 32, 33, 48)]
    sizes += [(20, units) for units in (1, 7, 8, 9, 15, 16, 17)]
    return [
        fully_connected_case(
            (2, depth),
            depth=depth,
            units=units,
            zero_points=ZERO_POINTS[depth % 5],
            weight_scales=[0.003 * (1 + i / units) for i in range(units)] if per_unit else (0.003,),
            weights=_ramp(depth * units),
            label=f"around_{per_unit}",
        )
        for depth, units in sizes
        for per_unit in (False, True)
    ]


def _ramp(n: int) -> list[int]:
    return [(i * 37) % 255 - 127 for i in range(n)]


def _means() -> list[Case]:
    windows = (
        Windows(image=(16, 16), filter=(16, 16), padding=Padding.VALID),
        Windows(image=(5, 7), filter=(3, 2), stride=(2, 2)),
        Windows(image=(4, 4), filter=(5, 3)),
    )
    cases = [
        pool_case("AVERAGE_POOL_2D", window, channels=channels, batches=2, fused=fused)
        for window in windows
        for channels, fused in ((16, Activation.NONE), (17, Activation.RELU), (40, Activation.NONE))
    ]
    # The sums that 16 bits hold at most.
    return cases + [
        replace(case, name=f"{case.name}_{value}", inputs=(np.full_like(case.inputs[0], value),))
        for case in cases[:1]
        for value in (-128, 127)
    ]


@st.composite
def _any_product(draw: st.DrawFn) -> Case:
    depth, units = draw(st.integers(1, 70)), draw(st.integers(1, 20))
    n_weights = depth * units
    return fully_connected_case(
        (draw(st.integers(1, 3)), depth),
        depth=depth,
        units=units,
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.11, 1.3]))),
        weights=np.resize(_ramp(251), n_weights).tolist(),
        label=f"any_{draw(st.integers(0, 99))}",
    )


def random_products() -> list[Case]:
    return drawn_cases(_any_product(), 40)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same for every platform."""
    return _sums() + products() + bounds() + random_products() + _means()


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


@pytest.mark.parametrize("platform", _ARM, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, cases: list[Case], tmp_path: Path) -> None:
    check_kernels(platform, cases, tmp_path)


def test_bounds_are_taken_and_what_is_beyond_is_not() -> None:
    (neon,) = (v for v in variants_of("fully_connected", "int8") if v.isa == "neon")
    beyond = extreme_units([-128], -128)
    for case, expected in [(case, True) for case in bounds()] + [(beyond, False)]:
        (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
        assert fits(neon, call) is expected, case.name
