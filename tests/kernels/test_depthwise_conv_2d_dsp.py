"""The depthwise kernels for the DSP extension: sizes around their blocks, conditions, packing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from tests.support.kernel_harness import (
    PLATFORMS,
    Case,
    check_kernels,
    check_references,
    fits,
    variants_of,
)
from tests.support.window_cases import ZERO_POINTS, Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall, Variant

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
SYMBOL_3X3 = "anvil_depthwise_conv_2d_int8_3x3__dsp"


def variant_of(symbol: str) -> Variant:
    return next(v for v in variants_of("depthwise_conv_2d", "int8") if v.symbol == symbol)


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def rectified(windows: Windows, channels: int, *, batches: int = 1, number: int = 0) -> Case:
    return depthwise_case(
        windows,
        input_channels=channels,
        depth_multiplier=1,
        batches=batches,
        fused=Activation.RELU,
        zero_points=(ZERO_POINTS[number % 5][0], -128),
    )


def _three_by_three() -> list[Case]:
    # Strips have 6 columns with stride 1 and 4 with stride 2, blocks 8 and 4 rows; what is small
    # enough is one block.
    sizes = (
        *((height, 5) for height in (1, 2, 7, 8, 9, 25)),
        *((3, width) for width in (1, 2, 3, 4, 6, 7, 11, 12, 13, 17)),
        *((height, 31) for height in (7, 8, 9, 17)),
    )
    windows = [
        Windows(image=size, filter=(3, 3), padding=padding, stride=(stride, stride))
        for size in sizes
        for stride in (1, 2)
        for padding in (Padding.SAME, Padding.VALID)
        if padding is Padding.SAME or min(size) >= 3
    ]
    return [
        rectified(each, 4 + i % 5, batches=1 + (i % 7 == 0), number=i)
        for i, each in enumerate(windows)
    ]


CASES = _three_by_three()


@pytest.mark.parametrize("case", CASES[::5], ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_3x3_of_all_sizes(tmp_path: Path) -> None:
    assert all(fits(variant_of(SYMBOL_3X3), call_of(case)) for case in CASES)
    check_kernels(CORTEX_M4F, CASES, tmp_path)
