"""Operators with weights on floats: NumPy against TFLite, and every kernel against NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Padding
from anvil.core.graph import ABSENT
from tests.support.kernel_harness import (
    Case,
    check_kernels,
    check_references,
    kernel_outputs,
    reference_outputs,
    tflite_outputs,
)
from tests.support.platforms import Platform, each_platform
from tests.support.weighted_cases import (
    FLOAT_FLAVOURS,
    Numbers,
    conv_case,
    depthwise_case,
    fully_connected_case,
)
from tests.support.window_cases import ACTIVATIONS, DILATED, UNDILATED, Windows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_COMMON = Windows(image=(5, 6), filter=(3, 3), stride=(2, 1))
_CHANNELS = ((1, 1, 1), (3, 3, 5), (17, 17, 3), (5, 5, 17), (6, 3, 2), (15, 5, 9))
_DEPTHWISE = ((1, 1), (3, 1), (17, 1), (5, 2), (1, 3), (4, 3))
_INF = float("inf")
_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def _cases() -> list[Case]:
    cases = []
    for flavour in FLOAT_FLAVOURS:
        cases += [
            conv_case(flavour, windows, _CHANNELS[i % 6], batches=1 + i % 2)
            for i, windows in enumerate(UNDILATED + DILATED)
        ]
        cases += [
            depthwise_case(flavour, windows, _DEPTHWISE[i % 6], batches=1 + i % 2)
            for i, windows in enumerate(UNDILATED + DILATED)
        ]
        for fused in ACTIVATIONS:
            cases += [
                conv_case(flavour, _COMMON, (3, 3, 5), fused=fused),
                depthwise_case(flavour, _COMMON, (3, 2), fused=fused),
                fully_connected_case(flavour, (2, 33), (5, 33), fused=fused),
            ]
        cases += [
            fully_connected_case(flavour, shape, (units, depth), keep_num_dims=keep)
            for shape, units, depth, keep in (
                ((1, 1), 1, 1, False),
                ((3, 17), 5, 17, False),
                ((2, 3, 5), 4, 15, False),
                ((2, 2, 2, 9), 3, 9, True),
                ((1, 640), 17, 640, False),
            )
        ]
        without = Numbers(has_bias=False)
        cases += [
            depthwise_case(flavour, _COMMON, (3, 2), numbers=without, label="_no_bias"),
            fully_connected_case(flavour, (2, 9), (3, 9), numbers=without, label="_no_bias"),
        ]
    return cases


def _special(flavour: str) -> list[Case]:
    """Infinities, NaN, both zeros, the largest and subnormal numbers, and sums that overflow.

    The values meet every weight; SAME padding must keep zeros away from infinite weights.
    """
    numbers = [0.0, -0.0, 1.0, -1.0, _INF, -_INF, float("nan"), _LARGEST, -_LARGEST, _SMALLEST]
    values = np.array(numbers, np.float32)
    small = [0.0, -0.0, 1.0, -1.5, _INF, -_INF, float("nan"), 65504.0, 6e-8, -6.1e-5]
    weights = np.array(small, np.float32)
    rows = Numbers(
        values=values.reshape(-1, 1), weights=weights.reshape(-1, 1), bias=np.zeros(len(small))
    )
    images = np.ones((1, 3, 3, 1), np.float32)
    images[0, 1, 1, 0] = _LARGEST
    infinite = np.ones((1, 3, 3, 1), np.float32)
    infinite[0, 0, 0, 0] = _INF
    windows = Windows(image=(3, 3), filter=(3, 3))
    padded = Numbers(values=images, weights=infinite, bias=np.array([-0.0]))
    cases = []
    for fused in ACTIVATIONS:
        cases += [
            fully_connected_case(
                flavour,
                (len(numbers), 1),
                (len(small), 1),
                fused=fused,
                numbers=rows,
                label="_special",
            ),
            conv_case(flavour, windows, (1, 1, 1), fused=fused, numbers=padded, label="_infinite"),
            depthwise_case(flavour, windows, (1, 1), fused=fused, numbers=padded, label="_inf"),
        ]
    overflowing = Numbers(
        values=np.array([[_LARGEST, _LARGEST, -_LARGEST, _SMALLEST]], np.float32),
        weights=np.array([[1, 1, 1, 1], [1, 0, 1, 1], [-1, -1, 0, 0], [0, 0, 0, 0.5]]),
        bias=np.array([1.0, -0.0, _INF, 0.0]),
    )
    return [
        *cases,
        fully_connected_case(flavour, (1, 4), (4, 4), numbers=overflowing, label="_overflow"),
    ]


CASES = _cases()
SPECIAL = [case for flavour in FLOAT_FLAVOURS for case in _special(flavour)]


def _same(ours: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> bool:
    """Equal bits, a NaN for a NaN: of which bits, machines do not agree."""
    is_nan = np.isnan(truth)
    return bool(
        (is_nan == np.isnan(ours)).all()
        and (ours.view(np.uint32) == truth.view(np.uint32))[~is_nan].all()
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_agrees_with_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    # Within the tolerance there would be room for another order of summation.
    assert check_kernels(platform, CASES, tmp_path) == 0


@pytest.mark.parametrize("case", SPECIAL, ids=lambda case: case.name)
def test_numpy_equals_tflite_for_special_numbers(case: Case) -> None:
    assert _same(reference_outputs(case)[0], tflite_outputs(case)[0])


@each_platform
def test_kernels_equal_numpy_for_special_numbers(platform: Platform, tmp_path: Path) -> None:
    for case, by_variant in zip(SPECIAL, kernel_outputs(platform, SPECIAL, tmp_path), strict=True):
        for symbol, outputs in by_variant.items():
            assert _same(outputs[0], reference_outputs(case)[0]), f"{case.name}: {symbol}"


@pytest.mark.parametrize("flavour", FLOAT_FLAVOURS)
def test_an_absent_bias_counts_as_zeros(flavour: str) -> None:
    # TFLite refuses a convolution without a bias, so that zeros stand for the truth.
    windows = Windows(image=(4, 4), filter=(2, 2), padding=Padding.VALID)
    numbers = Numbers(bias=np.zeros(5))
    with_zeros = conv_case(flavour, windows, (3, 3, 5), numbers=numbers, label="_zeros")
    check_references(with_zeros)
    *expanding, op = with_zeros.graph.ops
    for inputs in (op.inputs[:2], (*op.inputs[:2], ABSENT)):
        ops = (*expanding, replace(op, inputs=inputs))
        without = replace(with_zeros, graph=replace(with_zeros.graph, ops=ops))
        assert _same(reference_outputs(without)[0], reference_outputs(with_zeros)[0])
