"""Weighted operators around the blocks of their Cortex-M0 kernels: 4 channels, 3 taps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import CORTEX_M0
from tests.support.window_cases import (
    ACTIVATIONS,
    DILATED,
    UNDILATED,
    ZERO_POINTS,
    Windows,
    convolution_case,
    depthwise_case,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.core.plan import KernelCall, Variant

_OPS = ("conv_2d", "depthwise_conv_2d", "fully_connected")
_VARIANTS = {op: next(v for v in variants_of(op, "int8") if v.isa == "m0") for op in _OPS}
_POINT = Windows(image=(2, 2), filter=(1, 1))
_SUM_LIMIT = 2**29


def _dense(windows: Windows, channels: tuple[int, int], number: int) -> Case:
    return convolution_case(
        windows,
        input_channels=channels[0],
        filter_channels=channels[0],
        output_channels=channels[1],
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _by_channel(windows: Windows, channels: int, number: int) -> Case:
    return depthwise_case(
        windows,
        input_channels=channels,
        depth_multiplier=1,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 2,
    )


def _around_the_blocks() -> Iterator[Case]:
    for n in range(1, 10):  # channels below, at and above one block and two; taps likewise
        yield _dense(_POINT, (n + 2, n), n)
        yield _dense(_POINT, (n, 5), n + 1)
        yield _by_channel(Windows(image=(1, 5), filter=(1, n)), n, n)
        yield fully_connected_case(
            (1 + n % 3, n),
            depth=n,
            units=10 - n,
            zero_points=ZERO_POINTS[n % len(ZERO_POINTS)],
            fused=ACTIVATIONS[n % len(ACTIVATIONS)],
        )
    for n, windows in enumerate(UNDILATED + DILATED):
        yield _dense(windows, (1 + n % 5, 1 + n % 6), n)
        yield _by_channel(windows, 1 + n % 4, n)


@st.composite
def _any_case(draw: st.DrawFn) -> Case:
    zero_points = draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127)))
    fused = draw(st.sampled_from(Activation))
    batches = draw(st.integers(1, 2))
    scales = (0.04, draw(st.sampled_from([0.02, 0.09, 1.3])))
    op = draw(st.sampled_from(_OPS))
    channels = draw(st.integers(1, 9))
    if op == "fully_connected":
        depth = draw(st.integers(1, 40))
        each = [0.002 + 0.0003 * unit for unit in range(channels)]
        return fully_connected_case(
            (batches, depth),
            depth=depth,
            units=channels,
            fused=fused,
            zero_points=zero_points,
            scales=scales,
            weight_scales=draw(st.sampled_from([each, [0.003]])),
            bias=draw(st.sampled_from([(), None])),
        )
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    windows = Windows(
        image=(reach[0] + draw(st.integers(0, 3)), reach[1] + draw(st.integers(0, 4))),
        filter=size,
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
        stride=stride,
        dilation=dilation,
    )
    if op == "depthwise_conv_2d":
        return depthwise_case(
            windows,
            input_channels=channels,
            depth_multiplier=1,
            batches=batches,
            fused=fused,
            zero_points=zero_points,
            scales=scales,
        )
    depth = draw(st.integers(1, 9))
    return convolution_case(
        windows,
        input_channels=depth,
        filter_channels=depth,
        output_channels=channels,
        batches=batches,
        fused=fused,
        zero_points=zero_points,
        scales=scales,
    )


def _random_cases() -> list[Case]:
    return drawn_cases(_any_case(), 90)


def _greatest_sum(bias: int, weight: int, value: int) -> Case:
    """One unit of four products, all with the same weight and the same value."""
    return fully_connected_case(
        (1, 4),
        depth=4,
        units=1,
        zero_points=(0, -128),
        scales=(2.0**-12, 0.5),
        weight_scales=(2.0**-12,),
        bias=[bias],
        weights=[weight] * 4,
        values=[value] * 4,
        label=f"sum{bias}_{weight}_{value}",
    )


# The biases with which four products of a weight of -128 stay just inside of the limit.
_MOST_BIAS = _SUM_LIMIT - 1 - 4 * 128 * 128
_LEAST_BIAS = -_SUM_LIMIT + 1 + 4 * 128 * 127


def _at_the_bounds() -> list[Case]:
    return [
        _greatest_sum(bias, -128, value)
        for bias in (_MOST_BIAS, _LEAST_BIAS)
        for value in (-128, 127)
    ]


def _call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def _variant_of(case: Case) -> Variant:
    return _VARIANTS[_call_of(case).op]


def test_the_kernels_equal_numpy_and_tflite(tmp_path: Path) -> None:
    """And take nearly all."""
    cases = [*_around_the_blocks(), *_random_cases(), *_at_the_bounds()]
    for case in cases:
        check_references(case)
    results = kernel_outputs(CORTEX_M0, cases, tmp_path)
    taken = {
        _variant_of(c).symbol for c, found in zip(cases, results, strict=True) if len(found) > 1
    }
    assert taken == {variant.symbol for variant in _VARIANTS.values()}
    assert sum(len(by_variant) > 1 for by_variant in results) > 0.9 * len(cases)
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"


def test_what_the_kernels_cannot_do_is_left_to_others() -> None:
    for bias in (_MOST_BIAS, _LEAST_BIAS, _MOST_BIAS + 1, _LEAST_BIAS - 1):
        case = _greatest_sum(bias, -128, -128)
        assert fits(_variant_of(case), _call_of(case)) == (_LEAST_BIAS <= bias <= _MOST_BIAS)
    grouped = convolution_case(_POINT, input_channels=4, filter_channels=2, output_channels=6)
    assert not fits(_variant_of(grouped), _call_of(grouped))
    wide = depthwise_case(_POINT, input_channels=2, depth_multiplier=2)
    assert not fits(_variant_of(wide), _call_of(wide))


@pytest.mark.parametrize(("output_scale", "fitting"), [(0.0401 * 2, True), (0.04 * 2, False)])
def test_scales_from_a_half_on_are_refused(output_scale: float, *, fitting: bool) -> None:
    case = convolution_case(
        _POINT,
        input_channels=2,
        filter_channels=2,
        output_channels=2,
        scales=(0.04, output_scale),
        weight_scales=[1.0, 1.0],
    )
    assert fits(_variant_of(case), _call_of(case)) == fitting


def test_one_rounding_is_proved_or_refused() -> None:
    """At a scale of 1/4 every other product is half an integer, which rounds away from zero."""

    def case(weights: int, zero_point: int) -> Case:
        return fully_connected_case(
            (1, 1), depth=1, units=1, bias=None, weights=[weights], scales=(0.5, 1.0),
            weight_scales=(0.5,), zero_points=(0, zero_point), label=f"halves{weights}",
        )  # fmt: skip

    refused = case(1, 0)
    with pytest.raises(NotPackable, match="is not exact for output channel 0"):
        packed(_variant_of(refused), _call_of(refused))
    # No halves below the output's zero point are seen where outputs below it saturate.
    taken = case(1, -128)
    assert fits(_variant_of(taken), _call_of(taken))


def test_constants_are_kept() -> None:
    for case in _around_the_blocks():
        call, variant = _call_of(case), _variant_of(case)
        if not fits(variant, call):
            continue
        found = layout_of(variant.layout).unpack(packed(variant, call), {})
        names = (
            {"weights", "bias"}
            if call.op == "fully_connected"
            else {c.name for c in call.constants}
        )
        assert found.keys() == names
        for constant in call.constants:
            if constant.name in names:
                data = np.ascontiguousarray(found[constant.name]).astype(constant.dtype.value)
                assert data.tobytes() == constant.data, (case.name, constant.name)
