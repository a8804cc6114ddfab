"""Sums at their bounds: inputs that give a channel the largest and the least sum of its weights.

Kernels are proved right for the sums that weights allow (plan/layouts/rescaling.py); here every
variant on every machine computes those at both ends, with scales that saturate outputs and
with others that do not.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import Padding
from anvil.ops.arrays import array_of
from anvil.plan.layouts.rescaling import sum_range
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.kernel_harness import Case, check_kernels, check_references, reference_outputs
from tests.support.paired_cases import pairable, with_constants
from tests.support.platforms import Platform, each_platform
from tests.support.window_cases import Windows, convolution_case, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_DEPTH, _CHANNELS = 72, 17
_ZERO_POINT = -5
_PIXELS = 7  # more than any kernel takes at once


def _at_the_bounds(case: Case, weights: npt.NDArray[np.int8], label: str) -> list[Case]:
    """The case with inputs that take the sums of some channels to their bounds.

    weights: (products of a sum in the order of the input's elements, channels).
    """
    (values,) = case.inputs
    found = []
    for channel in (0, 7, _CHANNELS - 1):
        largest = np.where(weights[:, channel] > 0, 127, -128)
        for name, window in (("largest", largest), ("least", -1 - largest)):
            inputs = np.resize(window.astype(np.int8), values.shape).copy()
            # One input of the last window is a step away from the bound.
            inputs.reshape(-1)[-1] ^= 1
            found.append(
                replace(case, name=f"{case.name}_{label}_{name}_{channel}", inputs=(inputs,))
            )
    return found


def _weights(case: Case) -> npt.NDArray[np.int8]:
    values: npt.NDArray[np.int8] = array_of(case.graph.tensors[case.op.inputs[1]])
    return values


def _one_sign(weights: Array, _: Array) -> None:
    """Positive weights for even channels, negative ones for odd, as `with_constants` wants it."""
    weights[:] = np.where(np.arange(_CHANNELS) % 2, -abs(weights), abs(weights))


def _depthwise_cases(scale: float) -> list[Case]:
    """All channels at their bounds, since each has inputs of its own."""
    cases = []
    shapes = (((3, 3), (3, 3)), ((9, 1), (9, 1)), ((4, 5), (3, 3)))
    for (image, size), zero_point in product(shapes, (3, -128)):
        case = pairable(
            depthwise_case(
                Windows(image=image, filter=size, padding=Padding.VALID),
                input_channels=_CHANNELS,
                depth_multiplier=1,
                zero_points=(_ZERO_POINT, zero_point),
                scales=(0.04, scale),
                weight_scales=(0.0025,),
                label=f"_{scale}",
            )
        )
        if image != size:  # every window has the same bounds where a channel has one sign
            case = with_constants(case, _one_sign)
        taps = _weights(case).reshape(9, _CHANNELS)
        for name, sign in (("largest", 1), ("least", -1)):
            inputs = np.where(sign * taps > 0, 127, -128).astype(np.int8)
            every = np.resize(inputs, case.inputs[0].shape)
            cases.append(replace(case, name=f"{case.name}_{name}", inputs=(every,)))
    return cases


def _cases() -> list[Case]:
    cases = []
    for scale in (0.09, 1.3):  # outputs saturate, and do not
        scales = (0.04, scale)
        pointwise = pairable(
            convolution_case(
                Windows(image=(1, _PIXELS), filter=(1, 1)),
                input_channels=_DEPTH,
                filter_channels=_DEPTH,
                output_channels=_CHANNELS,
                zero_points=(_ZERO_POINT, 3),
                scales=scales,
                label=f"_{scale}",
            )
        )
        cases += _at_the_bounds(pointwise, _weights(pointwise).reshape(_CHANNELS, -1).T, "1x1")
        window = Windows(image=(3, 3), filter=(3, 3), padding=Padding.VALID)
        square = pairable(
            convolution_case(
                window,
                input_channels=8,
                filter_channels=8,
                output_channels=_CHANNELS,
                zero_points=(_ZERO_POINT, 3),
                scales=scales,
                label=f"_{scale}",
            )
        )
        cases += _at_the_bounds(square, _weights(square).reshape(_CHANNELS, -1).T, "3x3")
        cases += _depthwise_cases(0.03 if scale < 1 else 0.43)
        layer = pairable(
            fully_connected_case(
                (2, _DEPTH),
                depth=_DEPTH,
                units=24,
                zero_points=(_ZERO_POINT, 3),
                scales=scales,
                label=f"bounds_{scale}",
            )
        )
        cases += _at_the_bounds(layer, _weights(layer).T, "units")
    return cases


_CASES = _cases()


def test_the_cases_reach_the_bounds() -> None:
    """The sums of the depthwise cases are those that their weights allow; outputs tell them."""
    reached = 0
    for case in _CASES:
        if "_1.3" in case.name:
            assert len(np.unique(reference_outputs(case)[0])) > 4, case.name
        if case.op.kind == "DEPTHWISE_CONV_2D":
            taps = _weights(case).reshape(9, _CHANNELS)
            bias: npt.NDArray[np.int32] = array_of(case.graph.tensors[case.op.inputs[2]])
            bounds = sum_range(taps.T, bias, _ZERO_POINT)
            inputs = case.inputs[0].reshape(-1, _CHANNELS)[:9].astype(np.int64) - _ZERO_POINT
            sums = (inputs * taps).sum(axis=0) + bias
            wanted = bounds.high if case.name.endswith("_largest") else bounds.low
            np.testing.assert_array_equal(sums, wanted)
            reached += 1
    assert reached == 24


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, _CASES, tmp_path)
