"""CONV_2D around the blocks of its MVE kernel: 2 pixels, 4 channels, 16 products, 8 steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_references, kernel_outputs, reference_outputs
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, convolution_case

if TYPE_CHECKING:
    from pathlib import Path

(_M55,) = [platform for platform in PLATFORMS if platform.core == "cortex-m55"]
_SYMBOL = "anvil_conv_2d_int8_pairs__mve"


def _pointwise(n_pixels: int, depth: int, n_channels: int, number: int) -> Case:
    return convolution_case(
        Windows(image=(1, n_pixels), filter=(1, 1)),
        input_channels=depth,
        filter_channels=depth,
        output_channels=n_channels,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _around_the_blocks() -> list[Case]:
    steps = (1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 25, 26)  # rounds of eight behind the first
    cases = [_pointwise(n, 5, 7, n) for n in range(1, 5)]
    cases += [_pointwise(3, 16 * n - n % 3, 5, n) for n in steps]
    cases += [_pointwise(3, 20, n, n) for n in range(1, 10)]
    # One run of pairs, an odd pixel behind it; channels that four divides, and others.
    cases += [_pointwise(n, depth, 6, n) for n in (1, 2, 3, 8, 9) for depth in (4, 8, 15, 16, 36)]
    return cases


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    depth = draw(st.integers(1, 19))
    return convolution_case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 4)), reach[1] + draw(st.integers(0, 6))),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=stride,
            dilation=dilation,
        ),
        input_channels=depth,
        filter_channels=depth,
        output_channels=draw(st.integers(1, 9)),
        batches=draw(st.integers(1, 2)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
    )


def _random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 60)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return _around_the_blocks() + _random_cases()


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


def test_the_kernel_equals_numpy(cases: list[Case], tmp_path: Path) -> None:
    """And takes all but the few whose scale is too large for it."""
    results = kernel_outputs(_M55, cases, tmp_path)
    assert sum(_SYMBOL in by_variant for by_variant in results) > 0.9 * len(cases)
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"
