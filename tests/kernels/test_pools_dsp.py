"""AVERAGE_POOL_2D for the DSP extension: windows as large as its sums in halfwords hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Padding
from anvil.ops.registry import DEFINITIONS
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import Windows, pool_case

if TYPE_CHECKING:
    from pathlib import Path

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
VARIANT = next(v for v in variants_of("average_pool_2d", "int8") if v.isa == "dsp")


def average(image: tuple[int, int], size: tuple[int, int], channels: int) -> Case:
    windows = Windows(image=image, filter=size, padding=Padding.VALID, stride=size)
    return pool_case("AVERAGE_POOL_2D", windows, channels=channels)


def filled(case: Case, value: int) -> Case:
    (values,) = case.inputs
    return replace(case, name=f"{case.name}_{value}", inputs=(np.full_like(values, value),))


LARGEST = average((15, 17), (15, 17), 5)
CASES = [
    LARGEST,
    filled(LARGEST, -128),
    filled(LARGEST, 127),
    *(average((6, 4), (3, 2), channels) for channels in (4, 5, 7, 8, 12)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_the_largest_windows_and_any_channels(tmp_path: Path) -> None:
    check_kernels(CORTEX_M4F, CASES, tmp_path)


@pytest.mark.parametrize(
    ("image", "size", "channels", "expected"),
    [((15, 17), (15, 17), 4, True), ((16, 16), (16, 16), 4, False), ((2, 2), (2, 2), 3, False)],
)
def test_what_it_takes(
    image: tuple[int, int], size: tuple[int, int], channels: int, *, expected: bool
) -> None:
    case = average(image, size, channels)
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    assert fits(VARIANT, call) == expected
