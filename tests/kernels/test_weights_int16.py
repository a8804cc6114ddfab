"""Operators with weights on int16: NumPy against TFLite, and every kernel against NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Padding
from anvil.core.graph import ABSENT
from tests.support.kernel_harness import Case, check_kernels, check_references, reference_outputs
from tests.support.platforms import Platform, each_platform
from tests.support.weighted_cases import (
    INTEGER_FLAVOURS,
    Numbers,
    conv_case,
    depthwise_case,
    fully_connected_case,
)
from tests.support.window_cases import ACTIVATIONS, DILATED, UNDILATED, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COMMON = Windows(image=(5, 6), filter=(3, 3), stride=(2, 1))
_POINT = Windows(image=(2, 3), filter=(1, 1), padding=Padding.VALID)
_CHANNELS = ((1, 1, 1), (3, 3, 5), (17, 17, 3), (5, 5, 17), (6, 3, 2))
_DEPTHWISE = ((1, 1), (3, 1), (17, 1), (5, 2), (1, 3), (4, 3))
_LEAST, _GREATEST = -(2**15), 2**15 - 1


def _cases() -> list[Case]:
    cases = []
    for flavour in INTEGER_FLAVOURS:
        cases += [
            conv_case(flavour, windows, _CHANNELS[i % 5], batches=1 + i % 2)
            for i, windows in enumerate(UNDILATED + DILATED)
        ]
        cases += [conv_case(flavour, _COMMON, (3, 3, 5), fused=fused) for fused in ACTIVATIONS]
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
        cases += [
            fully_connected_case(flavour, (2, 33), (5, 33), fused=fused) for fused in ACTIVATIONS
        ]
        cases += _extreme_sums(flavour)
        cases += _halves(flavour)
        cases += _near_halves(flavour)
    cases += [
        depthwise_case("int16", windows, _DEPTHWISE[i % 6], batches=1 + i % 2)
        for i, windows in enumerate(UNDILATED + DILATED)
    ]
    cases += [depthwise_case("int16", _COMMON, (3, 2), fused=fused) for fused in ACTIVATIONS]
    without = Numbers(has_bias=False)
    return [
        *cases,
        depthwise_case("int16", _COMMON, (3, 2), numbers=without, label="_no_bias"),
        fully_connected_case("int16", (2, 9), (3, 9), numbers=without, label="_no_bias"),
        fully_connected_case("int16_32", (2, 640), (3, 640), numbers=without, label="_no_bias"),
        *_extreme_scales(),
        *_wide_sums(),
    ]


def _extreme_sums(flavour: str) -> list[Case]:
    """All products the greatest of either sign; 32-bit sums then wrap around."""
    depth = 700
    return [
        case
        for value in (_LEAST, _GREATEST)
        for weight in (-128, 127)
        for case in (
            conv_case(
                flavour,
                _POINT,
                (depth, depth, 2),
                numbers=_uniform((1, 2, 3, depth), (2, 1, 1, depth), value, weight),
                label=f"_extreme_{value}_{weight}",
            ),
            fully_connected_case(
                flavour,
                (2, depth),
                (2, depth),
                numbers=_uniform((2, depth), (2, depth), value, weight),
                label=f"_extreme_{value}_{weight}",
            ),
        )
    ]


def _uniform(
    shape: Sequence[int], weights_shape: Sequence[int], value: int, weight: int
) -> Numbers:
    return Numbers(
        values=np.full(shape, value, np.int16),
        weights=np.full(weights_shape, weight, np.int8),
        bias=np.array([-(2**31), 2**31 - 1]),
        scales=(1.0, 1.0),
        weight_scales=(3e-5, 1e-8),
    )


def _halves(flavour: str) -> list[Case]:
    """Products that end in exact halves of either sign, and just beside them."""
    values = np.arange(-40, 40, dtype=np.int16)
    return [
        case
        for scale in (0.5, 0.25, 0.375, 1 / 6, 0.0123)
        for case in (
            conv_case(
                flavour,
                Windows(image=(8, 10), filter=(1, 1)),
                (1, 1, 1),
                numbers=Numbers(
                    values=values.reshape(1, 8, 10, 1),
                    weights=np.full((1, 1, 1, 1), 3),
                    bias=np.zeros(1),
                    scales=(1.0, 1.0),
                    weight_scales=(scale,),
                ),
                label=f"_halves_{scale:.3f}",
            ),
            fully_connected_case(
                flavour,
                (80, 1),
                (2, 1),
                numbers=Numbers(
                    values=values.reshape(80, 1),
                    weights=np.array([[3], [-5]]),
                    bias=np.array([0, 1]),
                    scales=(1.0, 1.0),
                    weight_scales=(scale,),
                ),
                label=f"_halves_{scale:.3f}",
            ),
        )
    ]


def _near_halves(flavour: str) -> list[Case]:
    """Quotients by twice an odd number, some of which float64 rounds up to a half."""
    return [
        fully_connected_case(
            flavour,
            (255, 1),
            (2, 1),
            numbers=Numbers(
                values=np.arange(-127, 128, dtype=np.int16).reshape(255, 1),
                weights=np.array([[odd], [1]]),
                bias=np.array([0, odd]),
                scales=(1.0, 2.0 * odd),
                weight_scales=(1.0,),
            ),
            label=f"_near_halves_{odd}",
        )
        for odd in (3, 7, 41, 49, 93, 103)
    ]


def _extreme_scales() -> list[Case]:
    """Up to where TFLite's assumptions end: effective scales from below 2**-31 to 2**7."""
    by_label: dict[str, tuple[float, ...]] = {
        "_one": (0.013,),
        "_powers": (0.5, 1.0, 64.0),
        "_large": (127.9, 99.9, 3.0),
        "_small": (1e-5, 3.3e-8, 4.6e-10),
        "_vanishing": (2.2e-10, 1e-12, 1e-30),
        # The multiplier loses its lower bits: 0x7FFFFFFF must not become 0x8000.
        "_just_below": (1 - 2.0**-24, 0.5 - 2.0**-25, 1 - 2.0**-16),
    }
    cases = []
    for label, scales in by_label.items():
        numbers = Numbers(scales=(1.0, 1.0), weight_scales=scales)
        cases += [
            conv_case("int16", _COMMON, (2, 2, 3), numbers=numbers, label=label),
            conv_case("int16_32", _COMMON, (2, 2, 3), numbers=numbers, label=label),
            depthwise_case("int16", _COMMON, (3, 1), numbers=numbers, label=label),
        ]
    beyond = Numbers(scales=(1.0, 1.0), weight_scales=(1e6, 7.7e7, 3e8))
    return [*cases, conv_case("int16_32", _COMMON, (2, 2, 3), numbers=beyond, label="_wrapping")]


def _wide_sums() -> list[Case]:
    """Biases up to 2**47, by many channels; the results leave 32 bits in the convolutions."""
    n = 200
    rng = np.random.default_rng(5)
    bias = rng.integers(-(2**47) + 2**30, 2**47 - 2**30, n)
    cases = []
    for scale in (1e-10, 3e-8, 1.7e-5, 0.3):
        scales = [scale * (1 + i / n) for i in range(n)]
        numbers = Numbers(bias=bias, scales=(1.0, 1.0), weight_scales=scales)
        cases += [
            conv_case("int16", _POINT, (1, 1, n), numbers=numbers, label=f"_wide_{scale}"),
            depthwise_case("int16", _POINT, (n, 1), numbers=numbers, label=f"_wide_{scale}"),
        ]
    # The results of these must fit 32 bits; the sums then have 47, 38, 31 and 29 of them.
    for scale, n_cut in ((7e-6, 0), (3e-3, 9), (0.4, 16), (1.5, 18)):
        scales = [scale * (1 + i / n) for i in range(n)]
        numbers = Numbers(
            weights=np.tile([1, -1], (n, 1)),
            bias=bias >> n_cut,
            scales=(1.0, 1.0),
            weight_scales=scales,
        )
        cases.append(
            fully_connected_case("int16", (3, 2), (n, 2), numbers=numbers, label=f"_wide_{scale}")
        )
    return cases


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)


@pytest.mark.parametrize("flavour", INTEGER_FLAVOURS)
def test_an_absent_bias_counts_as_zeros(flavour: str) -> None:
    # TFLite refuses a convolution without a bias, so that zeros stand for the truth.
    numbers = Numbers(bias=np.zeros(5))
    with_zeros = conv_case(flavour, _COMMON, (3, 3, 5), numbers=numbers, label="_zeros")
    check_references(with_zeros)
    (expected,) = reference_outputs(with_zeros)
    for inputs in ((0, 1), (0, 1, ABSENT)):
        op = replace(with_zeros.op, inputs=inputs)
        without = replace(with_zeros, graph=replace(with_zeros.graph, ops=(op,)))
        assert reference_outputs(without)[0].tobytes() == expected.tobytes()
