"""WebAssembly's kernels around their blocks: eight channels, three pixels, pairs of products.

DEPTHWISE_CONV_2D, FULLY_CONNECTED and AVERAGE_POOL_2D.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Padding
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_references, kernel_outputs, reference_outputs
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import (
    ACTIVATIONS,
    ZERO_POINTS,
    Windows,
    depthwise_case,
    pool_case,
)

if TYPE_CHECKING:
    from pathlib import Path

_WASM = next(platform for platform in PLATFORMS if platform.name == "wasm32")
_SYMBOLS = {
    "DEPTHWISE_CONV_2D": "anvil_depthwise_conv_2d_int8_columns__simd128",
    "FULLY_CONNECTED": "anvil_fully_connected_int8_blocks__simd128",
    "AVERAGE_POOL_2D": "anvil_average_pool_2d_int8_channels__simd128",
}


def _depthwise(windows: Windows, n_channels: int, number: int) -> Case:
    return depthwise_case(
        windows,
        input_channels=n_channels,
        depth_multiplier=1,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _fully_connected(depth: int, units: int, number: int) -> Case:
    return fully_connected_case(
        (1 + number % 3, depth),
        depth=depth,
        units=units,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
    )


def _average(windows: Windows, n_channels: int, number: int) -> Case:
    return pool_case(
        "AVERAGE_POOL_2D",
        windows,
        channels=n_channels,
        zero_point=ZERO_POINTS[number % len(ZERO_POINTS)][0],
        batches=1 + number % 2,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
    )


def _around_the_blocks() -> list[Case]:
    square = Windows(image=(4, 5), filter=(3, 3))
    cases = [_depthwise(square, n, n) for n in (1, 3, 4, 7, 8, 9, 12, 15, 16, 17)]
    cases += [
        _depthwise(Windows(image=(5, width), filter=(height, 3)), 9, width)
        for width in (1, 2, 3, 4, 6, 7)
        for height in (1, 2, 3, 4)
    ]
    cases += [_fully_connected(n, 9, n) for n in (1, 2, 3, 7, 8, 9, 10, 15, 16, 17)]
    cases += [_fully_connected(10, n, n) for n in (1, 7, 8, 9, 16, 17)]
    cases += [_average(square, n, n) for n in (1, 4, 7, 8, 9, 16, 17)]
    # The largest window it takes.
    return [*cases, _average(Windows(image=(17, 15), filter=(17, 15), padding=Padding.VALID), 9, 1)]


@st.composite
def _any_layer(draw: st.DrawFn) -> Case:
    number = draw(st.integers(0, 11))
    kind = draw(st.sampled_from(sorted(_SYMBOLS)))
    if kind == "FULLY_CONNECTED":
        return _fully_connected(draw(st.integers(1, 70)), draw(st.integers(1, 20)), number)
    dilation = (1, 1)
    if kind == "DEPTHWISE_CONV_2D":
        dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    stride = draw(st.integers(1, 3)) if dilation == (1, 1) else 1
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    windows = Windows(
        image=(reach[0] + draw(st.integers(0, 4)), reach[1] + draw(st.integers(0, 8))),
        filter=size,
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
        stride=(stride, stride),
        dilation=dilation,
    )
    make = _depthwise if kind == "DEPTHWISE_CONV_2D" else _average
    return make(windows, draw(st.integers(1, 27)), number)


def _random_cases() -> list[Case]:
    return drawn_cases(_any_layer(), 80)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list({case.name: case for case in _around_the_blocks() + _random_cases()}.values())


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


def test_the_kernels_take_all_and_equal_numpy(cases: list[Case], tmp_path: Path) -> None:
    for case, by_variant in zip(cases, kernel_outputs(_WASM, cases, tmp_path), strict=True):
        assert _SYMBOLS[case.op.kind] in by_variant, case.name
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"
