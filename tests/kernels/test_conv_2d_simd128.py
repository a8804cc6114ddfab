"""CONV_2D around the blocks of its kernels for WebAssembly: 6 pixels, 8 channels, pairs.

Narrow images make six pixels go over several rows. Winograd's kernel computes tiles of 2x2 outputs,
four at a time, in bands of up to 32 tiles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Padding
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_references, kernel_outputs, reference_outputs
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, convolution_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_WASM = next(platform for platform in PLATFORMS if platform.name == "wasm32")
_ROWS, _BLOCKS, _WINOGRAD = (
    f"anvil_conv_2d_int8_{name}__simd128" for name in ("rows", "blocks", "winograd")
)
_SQUARE = (3, 3)


def _case(windows: Windows, depth: int, n_channels: int, number: int) -> Case:
    return convolution_case(
        windows,
        input_channels=depth,
        filter_channels=depth,
        output_channels=n_channels,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _around_the_blocks() -> list[Case]:
    cases = [_case(Windows(image=(1, n), filter=(1, 1)), 5, 7, n) for n in (1, 2, 5, 6, 7, 12, 13)]
    cases += [_case(Windows(image=(1, 3), filter=(1, 1)), n, 9, n) for n in (1, 2, 8, 15, 16, 17)]
    cases += [_case(Windows(image=(2, 3), filter=(1, 1)), 6, n, n) for n in (1, 7, 8, 9, 16, 17)]
    cases += [_case(Windows(image=(9, n), filter=(3, 3)), 3, 8, n) for n in (1, 2, 3, 5, 6, 7, 12)]
    return cases


def _square(image: tuple[int, int], depth: int, n_channels: int, number: int) -> Case:
    padding = Padding.VALID if number % 3 == 2 and min(image) > 2 else Padding.SAME
    windows = Windows(image=image, filter=_SQUARE, padding=padding)
    return _case(windows, depth, n_channels, number)


def _around_the_tiles() -> list[Case]:
    cases = [_square((h, w), 8, 8, h + w) for h in (1, 2, 3, 4, 5) for w in (1, 2, 3, 4, 7, 8, 9)]
    cases += [_square((4, 5), n, 9, n) for n in (8, 9, 15, 16, 17, 23)]
    cases += [_square((5, 4), 9, n, n) for n in (1, 7, 8, 9, 16, 17)]
    return cases


def _several_bands() -> list[Case]:
    """The last one of one row, of two, of tiles that are not whole; tiles beyond 32 in a row."""
    images = ((7, 21), (9, 40), (5, 33), (4, 66), (67, 2), (65, 1), (14, 13))
    return [_square(image, 8, 3, number) for number, image in enumerate(images)]


def _extremes() -> list[Case]:
    """Inputs and weights whose tiles are as large as they can be, of both signs.

    And biases with which four times a sum nearly fills 32 bits.
    """
    found = []
    signs = np.array([1, -1])
    patterns = (np.array([[1]]), signs[None], signs[:, None], signs[:, None] * signs)
    wide = Windows(image=(6, 7), filter=_SQUARE)
    for number, pattern in enumerate(patterns):
        case = _case(wide, 16, 9, number)
        twice = pattern.repeat(2, axis=0).repeat(2, axis=1)  # B subtracts what is two apart
        values = np.where(np.tile(twice, (4, 4))[:6, :7] > 0, 127, -128).astype(np.int8)
        for label, image in (("", values), ("_negative", ~values)):
            inputs = np.broadcast_to(image[None, :, :, None], case.inputs[0].shape).copy()
            found.append(replace(case, name=f"{case.name}{label}_{number}", inputs=(inputs,)))
    found += [
        convolution_case(
            wide,
            input_channels=8,
            filter_channels=8,
            output_channels=9,
            zero_points=zero_points,
            scales=(0.04, 1000.0),
            bias_limit=2**29 - 9 * 8 * 127 * 255 - 1,
        )
        for zero_points in ZERO_POINTS
    ]
    return found


CASES = _several_bands()


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = (draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2])))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    return _case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 5)), reach[1] + draw(st.integers(0, 8))),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=stride,
            dilation=dilation,
        ),
        draw(st.integers(1, 19)),
        draw(st.integers(1, 18)),
        draw(st.integers(0, 11)),
    )


@st.composite
def _any_square(draw: st.DrawFn) -> Case:
    image = (draw(st.integers(1, 12)), draw(st.integers(1, 20)))
    return _square(
        image, draw(st.integers(8, 26)), draw(st.integers(1, 18)), draw(st.integers(0, 11))
    )


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    found = _around_the_blocks() + drawn_cases(_any_convolution(), 60)
    return list({case.name: case for case in found}.values())


@pytest.fixture(scope="module")
def squares() -> list[Case]:
    found = _around_the_tiles() + CASES + _extremes() + drawn_cases(_any_square(), 40)
    return list({case.name: case for case in found}.values())


def test_numpy_equals_tflite(cases: list[Case], squares: list[Case]) -> None:
    for case in cases + squares:
        check_references(case)


def test_the_kernels_equal_numpy(cases: list[Case], tmp_path: Path) -> None:
    results = kernel_outputs(_WASM, cases, tmp_path)
    assert all(_BLOCKS in by_variant for by_variant in results)
    assert sum(_ROWS in by_variant for by_variant in results) > len(cases) // 3
    _check(cases, results)


def test_winograd_s_kernel_takes_every_square_and_equals_numpy(
    squares: list[Case], tmp_path: Path
) -> None:
    results = kernel_outputs(_WASM, squares, tmp_path)
    assert all(_WINOGRAD in by_variant for by_variant in results)
    _check(squares, results)


def _check(cases: list[Case], results: Sequence[Mapping[str, Sequence[Array]]]) -> None:
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"
