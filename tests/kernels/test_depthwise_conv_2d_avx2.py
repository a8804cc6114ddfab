"""DEPTHWISE_CONV_2D around the blocks of its AVX2 kernels: 6 pixels, 8 and 16 channels, 4 rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from tests.support.byte_cases import with_pairs
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, depthwise_case
from tests.support.x86_platforms import X86_PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path


def _depthwise(windows: Windows, n_channels: int, number: int) -> Case:
    return depthwise_case(
        windows,
        input_channels=n_channels,
        depth_multiplier=1,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _around_the_blocks() -> list[Case]:
    cases = [_depthwise(Windows(image=(3, n), filter=(3, 3)), 17, n) for n in range(1, 14)]
    cases += [
        _depthwise(Windows(image=(4, 7), filter=(3, 3)), n, n)
        for n in (1, 7, 8, 9, 15, 16, 23, 24, 25, 31, 32, 33, 40, 64, 72)
    ]
    cases += [_depthwise(Windows(image=(17, 2), filter=(n, 1)), 9, n) for n in range(1, 14)]
    # Rows of windows that share what is interleaved, and a rest of them.
    cases += [
        _depthwise(Windows(image=(rows, 5), filter=(n, 2)), 17, n + rows)
        for n in range(1, 5)
        for rows in range(4, 9)
    ]
    for most in (64, 65):
        cases += [
            with_pairs(_depthwise(Windows(image=(6, 5), filter=(n, 3)), 17, most + n), most)
            for n in (2, 3, 5)
        ]
        cases.append(with_pairs(_depthwise(Windows(image=(9, 1), filter=(5, 1)), 9, most), most))
    return cases + _lines()


def _lines() -> list[Case]:
    """Images one pixel wide."""
    cases = [_depthwise(Windows(image=(20, 1), filter=(n, 1)), 17, n) for n in range(1, 14)]
    cases += [_depthwise(Windows(image=(n, 1), filter=(3, 1)), 40, n) for n in range(3, 16)]
    cases += [  # around and beyond the 32 outputs that are made at once
        _depthwise(Windows(image=(n, 1), filter=(3, 1), stride=(stride, 1)), 17, 5)
        for n in (31, 32, 33, 36, 64, 65, 97)
        for stride in (1, 2)
    ]
    cases += [
        _depthwise(Windows(image=(23, 1), filter=(5, 1), padding=padding, **steps), 33, 7)
        for padding in (Padding.SAME, Padding.VALID)
        for steps in ({"stride": (2, 1)}, {"stride": (3, 1)}, {"dilation": (3, 1)})
    ]
    return cases


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.integers(1, 3)) if dilation == (1, 1) else 1
    is_line = draw(st.integers(0, 3)) == 0
    size = draw(st.tuples(st.integers(1, 9), st.just(1) if is_line else st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    more = 0 if is_line else draw(st.integers(0, 14))
    case = depthwise_case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 5)), reach[1] + more),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=(stride, stride),
            dilation=dilation,
        ),
        input_channels=draw(st.integers(1, 40)),
        depth_multiplier=1,
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
