"""CONV_2D around the blocks of its AVX2 kernels.

They have 6 pixels, 8 and 16 channels, 4 products; with AVX2 alone also tiles of 2x2 outputs of
which 4 are computed and 16 kept together, or a row of them, where 16 channels divide the input's,
of which there are 256 at most, and there are 32 outputs in two rows and columns at least.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from tests.support.byte_cases import with_pairs
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.paired_cases import with_constants
from tests.support.platforms import Platform
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, convolution_case
from tests.support.x86_platforms import X86_PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


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


def _square(
    output: tuple[int, int], depth: int, n_channels: int, number: int, label: str = ""
) -> Case:
    padding = Padding.VALID if number % 3 == 2 else Padding.SAME
    image = (output[0] + 2, output[1] + 2) if padding is Padding.VALID else output
    return convolution_case(
        Windows(image=image, filter=(3, 3), padding=padding),
        input_channels=depth,
        filter_channels=depth,
        output_channels=n_channels,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
        label=label,
    )


def _around_the_tiles() -> list[Case]:
    outputs = [(1, 40), (40, 1), (2, 15), (2, 16), (16, 2), (3, 11), (11, 3), (4, 8), (5, 7)]
    outputs += [(6, 6), (7, 8), (8, 8), (9, 10), (10, 9), (33, 2), (2, 33), (3, 32), (5, 37)]
    cases = [_square(output, 16, 16, i) for i, output in enumerate(outputs)]
    cases += [_square((5, 7), 16, n, n) for n in (7, 8, 9, 15, 17, 24, 31, 32, 33, 48)]
    return cases + [_square((4, 9), n, 9, n) for n in (8, 15, 17, 32, 48, 64)]


CASES = _around_the_tiles()


def _largest_sums() -> list[Case]:
    """The most channels that tiles are taken for, one step more; all weights at their bounds."""

    def bound(weights: npt.NDArray[np.int8], _: object) -> None:
        weights[:] = np.where(np.arange(len(weights)) % 2, 127, -128)[:, None, None, None]

    cases = []
    for depth in (256, 272):
        case = _square((4, 8), depth, 16, 0, label="largest")
        cases += [case, with_constants(case, bound)]
        for value in (-128, 127):
            inputs = (np.full_like(case.inputs[0], value),)
            cases.append(replace(cases[-1], name=f"{case.name}_{value}", inputs=inputs))
    return cases


def _drawn(draw: st.DrawFn, windows: Windows, depth: int, n_channels: int) -> Case:
    """A convolution with any activation, zero points, scale and ways to multiply."""
    case = convolution_case(
        windows,
        input_channels=depth,
        filter_channels=depth,
        output_channels=n_channels,
        batches=draw(st.integers(1, 2)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
    )
    return with_pairs(case, draw(st.sampled_from([64, 65, 128])))


@st.composite
def _any_square(draw: st.DrawFn) -> Case:
    windows = Windows(
        image=(draw(st.integers(3, 12)), draw(st.integers(3, 40))),
        filter=(3, 3),
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
    )
    return _drawn(draw, windows, 16 * draw(st.integers(1, 4)), draw(st.integers(9, 35)))


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    windows = Windows(
        image=(reach[0] + draw(st.integers(0, 5)), reach[1] + draw(st.integers(0, 14))),
        filter=size,
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
        stride=stride,
        dilation=dilation,
    )
    return _drawn(draw, windows, draw(st.integers(1, 19)), draw(st.integers(1, 35)))


def _random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 60) + drawn_cases(_any_square(), 30)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The same for every platform."""
    return _around_the_blocks() + CASES + _largest_sums() + _random_cases()


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


@pytest.mark.parametrize("platform", X86_PLATFORMS, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, cases: list[Case], tmp_path: Path) -> None:
    check_kernels(platform, cases, tmp_path)
