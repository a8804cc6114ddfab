"""CONV_2D around the blocks of its kernels for WebAssembly: 6 pixels, 8 channels, pairs.

Narrow images make six pixels go over several rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from anvil.core.attributes import Padding
from tests.support.kernel_harness import (
    PLATFORMS,
    Case,
    check_references,
    kernel_outputs,
    reference_outputs,
)
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, Windows, convolution_case

if TYPE_CHECKING:
    from pathlib import Path

_WASM = next(platform for platform in PLATFORMS if platform.name == "wasm32")
_ROWS, _BLOCKS = (f"anvil_conv_2d_int8_{name}__simd128" for name in ("rows", "blocks"))


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


def _random_cases() -> list[Case]:
    """Many at once, since all of them become one program."""
    found: list[Case] = []

    @settings(
        max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate]
    )
    @given(_any_convolution())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list({case.name: case for case in _around_the_blocks() + _random_cases()}.values())


def test_numpy_equals_tflite(cases: list[Case]) -> None:
    for case in cases:
        check_references(case)


def test_the_kernels_equal_numpy(cases: list[Case], tmp_path: Path) -> None:
    results = kernel_outputs(_WASM, cases, tmp_path)
    assert all(_BLOCKS in by_variant for by_variant in results)
    assert sum(_ROWS in by_variant for by_variant in results) > len(cases) // 2
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"
