"""DEPTHWISE_CONV_2D around the blocks of its AArch64 kernel: 8 and 16 channels, two taps."""

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
from tests.support.paired_cases import pairable, with_constants
from tests.support.platforms import PLATFORMS, Platform
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

_ARM = [platform for platform in PLATFORMS if platform.core.startswith("cortex-a")]
_NEON = "anvil_depthwise_conv_2d_int8_blocks__neon"


def small_depthwise(windows: Windows, n_channels: int, number: int) -> Case:
    return pairable(
        depthwise_case(
            windows,
            input_channels=n_channels,
            depth_multiplier=1,
            fused=ACTIVATIONS[number % len(ACTIVATIONS)],
            zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
            batches=1 + number % 2,
        )
    )


def around_the_blocks() -> list[Case]:
    cases = [
        small_depthwise(Windows(image=(4, 7), filter=(3, 3)), n, n)
        for n in (*range(8, 19), 23, 24, 25, 31, 32, 33, 47, 48, 49, 64)
    ]
    cases += [
        small_depthwise(Windows(image=(17, 2), filter=(n, 1)), channels, n)
        for n in range(1, 14)
        for channels in (9, 17)
    ]
    return cases + [
        small_depthwise(windows, channels, number)
        for channels in (11, 40)
        for number, windows in enumerate(
            (
                Windows(image=(1, 1), filter=(3, 3)),
                Windows(image=(7, 9), filter=(3, 3), stride=(2, 2)),
                Windows(image=(9, 8), filter=(3, 3), padding=Padding.VALID, stride=(3, 1)),
                Windows(image=(6, 7), filter=(3, 3), dilation=(2, 3)),
                Windows(image=(6, 5), filter=(5, 2)),
            )
        )
    ]


def with_weights(taps: list[int], value: int) -> Case:
    """Weights in turn over the taps, and one value at all inputs."""
    windows = Windows(image=(4, 5), filter=(3, 3))
    case = small_depthwise(windows, 19, 0)

    def change(weights: np.ndarray, _: np.ndarray) -> None:
        weights.reshape(-1, 19)[:] = np.resize(taps, 9)[:, None]

    (given_values,) = case.inputs
    return replace(
        with_constants(case, change),
        name=f"{case.name}_{taps}_{value}",
        inputs=(np.full_like(given_values, value),),
    )


def at_the_bounds() -> list[Case]:
    """Two products: their sum is the greatest and the least that 16 bits hold."""
    return [
        with_weights(taps, value)
        for taps in ([-128, -127], [127], [-127, 127])
        for value in (-128, 127)
    ]


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.integers(1, 3)) if dilation == (1, 1) else 1
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    return pairable(
        depthwise_case(
            Windows(
                image=(reach[0] + draw(st.integers(0, 5)), reach[1] + draw(st.integers(0, 9))),
                filter=size,
                padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
                stride=(stride, stride),
                dilation=dilation,
            ),
            input_channels=draw(st.integers(8, 40)),
            depth_multiplier=1,
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
    (neon,) = (v for v in variants_of("depthwise_conv_2d", "int8") if v.symbol == _NEON)
    beyond = with_weights([-128], -128)
    for case, expected in [(case, True) for case in at_the_bounds()] + [(beyond, False)]:
        (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
        assert fits(neon, call) is expected, case.name
