"""AVERAGE_POOL_2D and MAX_POOL_2D: NumPy against TFLite, kernels against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.window_cases import ACTIVATIONS, UNDILATED, Windows, pool_case

if TYPE_CHECKING:
    from pathlib import Path

_CHANNELS = (1, 3, 5, 17)
_ZERO_POINTS = (-128, 127, 3, 0)


def _cases() -> list[Case]:
    cases = [
        pool_case(
            kind,
            windows,
            channels=_CHANNELS[i % 4],
            zero_point=_ZERO_POINTS[i % 3],
            batches=1 + i % 2,
        )
        for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
        for i, windows in enumerate(UNDILATED)
    ]
    return cases + [
        pool_case(
            kind,
            Windows(image=(6, 5), filter=(2, 2), stride=(2, 1)),
            channels=3,
            fused=fused,
            zero_point=zero_point,
        )
        for kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D")
        for fused in ACTIVATIONS
        for zero_point in _ZERO_POINTS
    ]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
