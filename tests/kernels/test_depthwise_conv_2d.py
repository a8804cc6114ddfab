"""DEPTHWISE_CONV_2D: NumPy against TFLite, and every kernel against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.core.attributes import Activation, Padding
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.window_cases import (
    ACTIVATIONS,
    DILATED,
    UNDILATED,
    ZERO_POINTS,
    Windows,
    depthwise_case,
)

if TYPE_CHECKING:
    from pathlib import Path

_COMMON = Windows(image=(5, 6), filter=(3, 3), stride=(2, 1))
_USUAL = (
    Windows(image=(5, 6), filter=(3, 3)),
    Windows(image=(7, 5), filter=(3, 3), padding=Padding.VALID),
    Windows(image=(8, 9), filter=(3, 3), stride=(2, 2)),
    Windows(image=(1, 13), filter=(3, 3)),
)
_CHANNELS = ((1, 1), (3, 1), (17, 1), (5, 2), (1, 3), (4, 3))


def _cases() -> list[Case]:
    cases = [
        depthwise_case(
            windows,
            input_channels=_CHANNELS[i % 6][0],
            depth_multiplier=_CHANNELS[i % 6][1],
            zero_points=ZERO_POINTS[i % 5],
            batches=1 + i % 2,
        )
        for i, windows in enumerate(UNDILATED + DILATED)
    ]
    cases += [
        depthwise_case(_COMMON, input_channels=channels, depth_multiplier=multiplier, batches=2)
        for channels, multiplier in _CHANNELS
    ]
    cases += [
        depthwise_case(
            _COMMON, input_channels=3, depth_multiplier=2, declared_multiplier=0, label="_derived"
        )
    ]
    cases += [
        depthwise_case(
            _COMMON, input_channels=3, depth_multiplier=1, fused=fused, zero_points=zero_points
        )
        for fused in ACTIVATIONS
        for zero_points in ZERO_POINTS
    ]
    # What most networks have, and kernels of their own.
    cases += [
        depthwise_case(
            windows,
            input_channels=channels,
            depth_multiplier=1,
            batches=1 + i % 2,
            fused=Activation.RELU,
            zero_points=(ZERO_POINTS[i % 5][0], -128),
        )
        for i, windows in enumerate(_USUAL)
        for channels in (4, 11)
    ]
    by_label = {
        "_one_scale": (0.013,),
        "_halves": (0.5, 0.25, 0.125),
        "_large": (37.3, 1000.1, 3.0),
        "_wrapping": (1e6, 7.7e7, 3e8),
        "_vanishing": (4.6e-10, 1e-12, 1e-30),
    }
    return cases + [
        depthwise_case(
            _COMMON,
            input_channels=3,
            depth_multiplier=1,
            scales=(1.0, 1.0),
            weight_scales=scales,
            label=label,
        )
        for label, scales in by_label.items()
    ]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
