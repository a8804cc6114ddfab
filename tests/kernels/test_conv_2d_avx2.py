"""CONV_2D around the blocks of its AVX2 kernels: 6 pixels, 8 and 16 channels, 4 products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from tests.support.byte_cases import with_pairs
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, convolution_case
from tests.support.x86_platforms import X86_PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path


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
    cases = [_pointwise(n, 5, 17, n) for n in range(1, 14)]
    cases += [_pointwise(7, depth, 9, depth) for depth in (1, 3, 4, 8, 15, 16, 17, 33, 64)]
    cases += [_pointwise(7, 4, n, n) for n in (1, 7, 8, 9, 15, 16, 23, 24, 25, 31, 32, 33, 64, 72)]
    for most in (64, 65):
        cases += [with_pairs(_pointwise(n, 12, 17, most + n), most) for n in (1, 4, 6, 9)]
    return cases


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    depth = draw(st.integers(1, 19))
    case = convolution_case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 5)), reach[1] + draw(st.integers(0, 14))),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=stride,
            dilation=dilation,
        ),
        input_channels=depth,
        filter_channels=depth,
        output_channels=draw(st.integers(1, 35)),
        batches=draw(st.integers(1, 2)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
    )
    return with_pairs(case, draw(st.sampled_from([64, 65, 128])))


def _random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 60)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same for every platform."""
    return _around_the_blocks() + _random_cases()


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


@pytest.mark.parametrize("platform", X86_PLATFORMS, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, cases: list[Case], tmp_path: Path) -> None:
    check_kernels(platform, cases, tmp_path)
