"""AVERAGE_POOL_2D around the 16 channels of its MVE kernel, and windows as large as sums allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.core.attributes import Padding
from anvil.ops.registry import DEFINITIONS
from tests.kernels.test_pools_dsp import average, filled
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import Windows, pool_case

if TYPE_CHECKING:
    from pathlib import Path

_M55 = next(platform for platform in PLATFORMS if platform.name == "cortex-m55")
_VARIANT = next(v for v in variants_of("average_pool_2d", "int8") if v.isa == "mve")
_LARGEST = average((15, 17), (15, 17), 17)
_PADDED = Windows(image=(5, 7), filter=(3, 3), stride=(2, 2), padding=Padding.SAME)
CASES = [
    _LARGEST,
    filled(_LARGEST, -128),
    filled(_LARGEST, 127),
    *(average((6, 4), (3, 2), channels) for channels in (8, 9, 15, 16, 24, 31, 32, 33)),
    *(pool_case("AVERAGE_POOL_2D", _PADDED, channels=channels) for channels in (8, 20)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_the_largest_windows_and_any_channels(tmp_path: Path) -> None:
    check_kernels(_M55, CASES, tmp_path)


@pytest.mark.parametrize(
    ("image", "channels", "expected"),
    [((15, 17), 8, True), ((16, 16), 8, False), ((2, 2), 7, False)],
)
def test_what_it_takes(image: tuple[int, int], channels: int, *, expected: bool) -> None:
    case = average(image, image, channels)
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    assert fits(_VARIANT, call) == expected
