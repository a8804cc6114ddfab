"""DEPTHWISE_CONV_2D around the 16 lanes of its MVE kernel, with odd and even numbers of taps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.arrays import constant_of
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.lane_taps import pack
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall

_M55 = next(platform for platform in PLATFORMS if platform.name == "cortex-m55")
_VARIANT = next(
    v for v in variants_of("depthwise_conv_2d", "int8") if v.symbol.endswith("lanes__mve")
)


def _depthwise(size: tuple[int, int], n_channels: int) -> Case:
    image = (size[0] + 1, size[1] + 2)
    return depthwise_case(
        Windows(image=image, filter=size), input_channels=n_channels, depth_multiplier=1
    )


def _column(n_taps: int, stride: int) -> Case:
    """An image of one column, which the kernel takes as one row."""
    windows = Windows(image=(7, 1), filter=(n_taps, 1), stride=(stride, stride))
    return depthwise_case(windows, input_channels=19, depth_multiplier=1, batches=2)


def _around_the_blocks() -> list[Case]:
    cases = [_depthwise((3, 3), n) for n in (8, 9, 15, 16, 17, 31, 32, 33, 48)]
    cases += [_depthwise((1, n), 18) for n in (1, 2, 3, 4, 5)]
    return cases + [_column(n, stride) for n in (2, 3, 4, 5) for stride in (1, 2)]


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.integers(1, 3)) if dilation == (1, 1) else 1
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    return depthwise_case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 4)), reach[1] + draw(st.integers(0, 6))),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=(stride, stride),
            dilation=dilation,
        ),
        input_channels=draw(st.integers(8, 35)),
        depth_multiplier=1,
        batches=draw(st.integers(1, 2)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
    )


def _random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 40)


def _call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def test_the_kernel_equals_numpy_and_tflite(tmp_path: Path) -> None:
    cases = _around_the_blocks() + _random_cases()
    for case in cases:
        check_references(case)
    results = kernel_outputs(_M55, cases, tmp_path)
    assert sum(_VARIANT.symbol in by_variant for by_variant in results) > 0.8 * len(cases)
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"


@pytest.mark.parametrize(
    ("taps", "fits_in"),
    [((-128, -128, 5), True), ((5, -128, -128), False), ((5, -127, -128), True)],
)
def test_two_products_fit_16_bits_or_are_refused(taps: tuple[int, ...], *, fits_in: bool) -> None:
    """Of three taps the first is alone."""
    call = _call_of(_depthwise((1, 3), 8))
    weights = array_of_weights(call).copy()
    weights.reshape(3, 8)[:, 6] = taps
    changed = replace(call, constants=(constant_of("weights", weights), *call.constants[1:]))
    if fits_in:
        pack(changed, {})
    else:
        with pytest.raises(NotPackable, match="17 bits"):
            pack(changed, {})


def array_of_weights(call: KernelCall) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """The weights of a call."""
    constant = call.constants[0]
    return np.frombuffer(constant.data, np.int8).reshape(constant.shape)


def test_nothing_is_lost() -> None:
    for case in _around_the_blocks():
        call = _call_of(case)
        if not fits(_VARIANT, call):
            continue
        found = layout_of(_VARIANT.layout).unpack(packed(_VARIANT, call), {})
        for constant in call.constants:
            data = np.ascontiguousarray(found[constant.name]).tobytes()
            assert data == constant.data, (case.name, constant.name)
