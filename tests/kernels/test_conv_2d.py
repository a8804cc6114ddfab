"""CONV_2D: NumPy against TFLite, and every kernel against NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from anvil.core.attributes import Activation, Padding
from anvil.core.graph import ABSENT
from tests.support.kernel_harness import Case, check_kernels, check_references, reference_outputs
from tests.support.platforms import Platform, each_platform
from tests.support.window_cases import (
    ACTIVATIONS,
    DILATED,
    UNDILATED,
    ZERO_POINTS,
    Windows,
    convolution_case,
)

if TYPE_CHECKING:
    from pathlib import Path

_COMMON = Windows(image=(5, 6), filter=(3, 3), stride=(2, 1))
_CHANNELS = ((1, 1, 1), (3, 3, 5), (17, 17, 3), (5, 5, 17))
_GROUPED = ((4, 2, 6), (6, 1, 6), (6, 3, 2), (15, 5, 9))


def _cases() -> list[Case]:
    cases = [
        convolution_case(
            windows,
            input_channels=_CHANNELS[i % 4][0],
            filter_channels=_CHANNELS[i % 4][1],
            output_channels=_CHANNELS[i % 4][2],
            zero_points=ZERO_POINTS[i % 5],
            batches=1 + i % 2,
        )
        for i, windows in enumerate(UNDILATED + DILATED)
    ]
    cases += [
        convolution_case(windows, input_channels=c, filter_channels=f, output_channels=o, batches=2)
        for c, f, o in _GROUPED
        for windows in (_COMMON, DILATED[1], UNDILATED[12])
    ]
    cases += [
        convolution_case(
            _COMMON,
            input_channels=3,
            filter_channels=3,
            output_channels=5,
            fused=fused,
            zero_points=zero_points,
        )
        for fused in ACTIVATIONS
        for zero_points in ZERO_POINTS
    ]
    return cases + _cases_of_extreme_scales() + _cases_of_large_sums()


def _cases_of_extreme_scales() -> list[Case]:
    # Effective scales of 1/2 and 1/4 make exact halves; above 1 they shift left; below
    # 2^-31 they vanish; the greatest wrap around in 32 bits.
    by_label = {
        "_one_scale": (0.013,),
        "_halves": (0.5, 0.25, 0.125),
        "_powers": (1.0, 2.0, 4.0),
        "_large": (37.3, 1000.1, 3.0),
        "_wrapping": (1e6, 7.7e7, 3e8),
        "_small": (1e-5, 3.3e-8, 4.6e-10),
        "_vanishing": (2.2e-10, 1e-12, 1e-30),
        "_mixed": (1e-30, 0.01, 3e4),
    }
    return [
        convolution_case(
            windows,
            input_channels=depth,
            filter_channels=depth,
            output_channels=3,
            scales=(1.0, 1.0),
            weight_scales=scales,
            label=label,
        )
        for label, scales in by_label.items()
        for windows, depth in (
            (Windows(image=(4, 5), filter=(1, 1)), 2),
            (Windows(image=(4, 5), filter=(3, 2), padding=Padding.VALID), 2),
            (Windows(image=(4, 5), filter=(3, 3)), 9),  # as kernels for tiles take them
        )
    ]


def _cases_of_large_sums() -> list[Case]:
    """Sums all over int32, by many channels whose biases are."""
    return [
        convolution_case(
            Windows(image=(3, 2), filter=(1, 1)),
            input_channels=1,
            filter_channels=1,
            output_channels=200,
            scales=(1.0, 1.0),
            weight_scales=[scale * (1 + i / 200) for i in range(200)],
            bias_limit=2**31 - 40_000,
            label=f"_sums_{scale}",
        )
        for scale in (2e-8, 6e-8, 1e-6)
    ]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)


def test_an_absent_bias_counts_as_zeros() -> None:
    # TFLite refuses a convolution without a bias, so that zeros stand for the truth.
    case = convolution_case(
        _COMMON, input_channels=3, filter_channels=3, output_channels=5, fused=Activation.RELU
    )
    tensors = list(case.graph.tensors)
    bias = tensors[2]
    tensors[2] = replace(bias, data=bytes(bias.n_bytes))
    with_zeros = replace(case, graph=replace(case.graph, tensors=tuple(tensors)))
    check_references(with_zeros)
    for inputs in ((0, 1), (0, 1, ABSENT)):
        op = replace(case.op, inputs=inputs)
        without = replace(case, graph=replace(case.graph, ops=(op,)))
        assert reference_outputs(without)[0].tobytes() == reference_outputs(with_zeros)[0].tobytes()
