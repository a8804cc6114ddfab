"""CONV_2D around the blocks of its AArch64 kernels: 4 pixels, 8 and 16 channels, 4 and 8 taps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.paired_cases import dense_case, pairable, pointwise, with_constants
from tests.support.platforms import PLATFORMS, Platform
from tests.support.window_cases import ZERO_POINTS, Windows, convolution_case

if TYPE_CHECKING:
    from pathlib import Path

_ARM = [platform for platform in PLATFORMS if platform.core.startswith("cortex-a")]
_NEON = "anvil_conv_2d_int8_blocks__neon"


def around_the_blocks() -> list[Case]:
    cases = [
        dense_case(pointwise(1 + n % 9), (n, 16), zero_points=ZERO_POINTS[n % 5])
        for n in range(1, 21)
    ]
    cases += [
        dense_case(pointwise(5), (5, n), zero_points=ZERO_POINTS[n % 5])
        for n in (*range(1, 18), 23, 24, 25, 31, 32, 33, 40, 47, 48, 49)
    ]
    return cases + [
        dense_case(windows, (channels, 24), batches=2)
        for channels in (1, 2, 3, 4, 17)
        for windows in (
            Windows(image=(6, 5), filter=(3, 3), stride=(2, 2)),
            Windows(image=(5, 6), filter=(10, 4), stride=(2, 1)),
            Windows(image=(7, 6), filter=(3, 2), dilation=(2, 3)),
        )
    ]


def with_weights(weights: list[int], value: int, *, n_products: int = 24) -> Case:
    """Weights in turn over all products, and one value at all inputs."""
    case = dense_case(pointwise(6), (n_products, 17), label=f"_{weights}_{value}")

    def change(array: np.ndarray, _: np.ndarray) -> None:
        array.reshape(17, -1)[:] = np.resize(weights, n_products)

    (given_values,) = case.inputs
    return replace(
        with_constants(case, change),
        name=f"{case.name}_{weights}_{value}",
        inputs=(np.full_like(given_values, value),),
    )


def at_the_bounds() -> list[Case]:
    """Two products of one lane: their sum is the greatest and the least that 16 bits hold."""
    return [
        with_weights(weights, value)
        for weights in ([-128, -128, -127, -127], [127], [-127], [-127, 127])
        for value in (-128, 127)
    ]


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.integers(1, 3)) if dilation == (1, 1) else 1
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    depth = draw(st.integers(1, 35))
    return pairable(
        convolution_case(
            Windows(
                image=(reach[0] + draw(st.integers(0, 4)), reach[1] + draw(st.integers(0, 6))),
                filter=size,
                padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
                stride=(stride, stride),
                dilation=dilation,
            ),
            input_channels=depth,
            filter_channels=depth,
            output_channels=draw(st.integers(1, 40)),
            batches=draw(st.integers(1, 2)),
            fused=draw(st.sampled_from(Activation)),
            zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
            scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3, 3e8]))),
        )
    )


def random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 50)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same for every platform."""
    return around_the_blocks() + at_the_bounds() + random_cases()


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


@pytest.mark.parametrize("platform", _ARM, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, cases: list[Case], tmp_path: Path) -> None:
    check_kernels(platform, cases, tmp_path)


def test_bounds_are_taken_and_what_is_beyond_is_not() -> None:
    (neon,) = (v for v in variants_of("conv_2d", "int8") if v.symbol == _NEON)
    beyond = with_weights([-128], -128)
    for case, expected in [(case, True) for case in at_the_bounds()] + [(beyond, False)]:
        (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
        assert fits(neon, call) is expected, case.name
