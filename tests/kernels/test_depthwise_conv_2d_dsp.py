"""The depthwise kernels for the DSP extension: sizes around their blocks, conditions, packing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.arrays import constant_of
from anvil.ops.registry import DEFINITIONS
from anvil.ops.requantize import requantize
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.support.kernel_harness import (
    Case,
    check_kernels,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import ZERO_POINTS, Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.plan import KernelCall, Variant

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
SYMBOL_3X3 = "anvil_depthwise_conv_2d_int8_3x3__dsp"
SYMBOL_TAPS = "anvil_depthwise_conv_2d_int8_taps__dsp"


def variant_of(symbol: str) -> Variant:
    return next(v for v in variants_of("depthwise_conv_2d", "int8") if v.symbol == symbol)


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def rectified(windows: Windows, channels: int, *, batches: int = 1, number: int = 0) -> Case:
    return depthwise_case(
        windows,
        input_channels=channels,
        depth_multiplier=1,
        batches=batches,
        fused=Activation.RELU,
        zero_points=(ZERO_POINTS[number % 5][0], -128),
    )


def _three_by_three() -> list[Case]:
    # Strips have 6 columns with stride 1 and 4 with stride 2, blocks 8 and 4 rows; what is small
    # enough is one block.
    sizes = (
        *((height, 5) for height in (1, 2, 7, 8, 9, 25)),
        *((3, width) for width in (1, 2, 3, 4, 6, 7, 11, 12, 13, 17)),
        *((height, 31) for height in (7, 8, 9, 17)),
    )
    windows = [
        Windows(image=size, filter=(3, 3), padding=padding, stride=(stride, stride))
        for size in sizes
        for stride in (1, 2)
        for padding in (Padding.SAME, Padding.VALID)
        if padding is Padding.SAME or min(size) >= 3
    ]
    return [
        rectified(each, 4 + i % 5, batches=1 + (i % 7 == 0), number=i)
        for i, each in enumerate(windows)
    ]


THREE_BY_THREE = _three_by_three()
CASES = list(THREE_BY_THREE)


@pytest.mark.parametrize("case", THREE_BY_THREE[::5], ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_3x3_of_all_sizes(tmp_path: Path) -> None:
    assert all(fits(variant_of(SYMBOL_3X3), call_of(case)) for case in THREE_BY_THREE)
    check_kernels(CORTEX_M4F, THREE_BY_THREE, tmp_path)


def _taps() -> list[Case]:
    # Four outputs at a time, two taps in an instruction.
    rows = [
        Windows(image=(1, width), filter=(1, n_taps), padding=padding)
        for width, n_taps in ((1, 1), (5, 1), (4, 2), (9, 3), (12, 4), (13, 5), (16, 10), (15, 15))
        for padding in (Padding.SAME, Padding.VALID)
    ]
    columns = [
        replace(row, image=row.image[::-1], filter=row.filter[::-1], stride=(1, stride))
        for row in rows
        for stride in (1, 2)
    ]
    images = [
        Windows(image=(7, 6), filter=(5, 5)),
        Windows(image=(7, 9), filter=(2, 4), stride=(2, 1)),
        Windows(image=(12, 5), filter=(10, 4), padding=Padding.VALID, stride=(2, 1)),
        Windows(image=(2, 3), filter=(7, 6)),
        Windows(image=(4, 4), filter=(3, 3)),
    ]
    return [
        depthwise_case(
            windows,
            input_channels=4 + i % 5,
            depth_multiplier=1,
            batches=1 + (i % 6 == 0),
            zero_points=ZERO_POINTS[i % 5],
            label="_taps",
        )
        for i, windows in enumerate(rows + columns + images)
    ]


TAPS = _taps()
CASES += TAPS


def test_taps_of_all_sizes(tmp_path: Path) -> None:
    variant = variant_of(SYMBOL_TAPS)
    for case in TAPS[::4]:
        check_references(case)
    assert sum(fits(variant, call_of(case)) for case in TAPS) > len(TAPS) - 3
    outputs = kernel_outputs(CORTEX_M4F, TAPS, tmp_path)
    for case, by_variant in zip(TAPS, outputs, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            np.testing.assert_array_equal(found, expected, f"{case.name}: {symbol}")


def changed(case: Case, **arrays: npt.NDArray[np.int32]) -> KernelCall:
    """The call of a case with other constants."""
    call = call_of(case)
    constants = tuple(
        constant_of(constant.name, arrays[constant.name]) if constant.name in arrays else constant
        for constant in call.constants
    )
    return replace(call, constants=constants)


@pytest.mark.parametrize("symbol", [SYMBOL_3X3, SYMBOL_TAPS])
@pytest.mark.parametrize("number", range(0, 40, 7))
def test_weights_come_back(symbol: str, number: int) -> None:
    variant = variant_of(symbol)
    call = call_of(CASES[number] if symbol == SYMBOL_3X3 else TAPS[number % len(TAPS)])
    layout, options = layout_of(variant.layout), dict(variant.layout_options)
    weights = layout.unpack(packed(variant, call), options)["weights"]
    assert weights.tobytes() == call.constants[0].data


@pytest.mark.parametrize("symbol", [SYMBOL_3X3, SYMBOL_TAPS])
def test_sums_up_to_their_bounds(symbol: str) -> None:
    """2**23 units is what a word holds with 8 bits behind the point; and no sum wraps around."""
    case = rectified(Windows(image=(3, 3), filter=(3, 3)), 4)
    call = call_of(case)
    weights = np.frombuffer(call.constants[0].data, np.int8).reshape(9, 4).astype(np.int64)
    zero_point = dict(call.parameters)["input_zero_point"]
    reach = np.where(weights > 0, weights * (127 - zero_point), weights * (-128 - zero_point))
    # A step of a shift of 8 bits more has room for them, and the raised sum just has, or has not.
    small = np.full(4, 1 << 30, np.int32), np.full(4, -16, np.int32)
    limit = np.int64(2**23 - 1) - reach.sum(axis=0)
    fitting = changed(
        case, bias=(limit - 4096).astype(np.int32), multiplier=small[0], shift=small[1]
    )
    assert fits(variant_of(symbol), fitting)
    beyond = changed(case, bias=(limit + 1).astype(np.int32), multiplier=small[0], shift=small[1])
    with pytest.raises(NotPackable, match="24 bits"):
        packed(variant_of(symbol), beyond)


def test_rescaling_just_beyond_the_conditions_is_refused() -> None:
    case = rectified(Windows(image=(3, 3), filter=(3, 3)), 4)
    largest = np.full(4, 2**31 - 2**10, np.int32)
    fitting = changed(case, multiplier=largest, shift=np.full(4, -5, np.int32))
    beyond = changed(case, multiplier=largest, shift=np.full(4, -4, np.int32))
    assert fits(variant_of(SYMBOL_TAPS), fitting)
    with pytest.raises(NotPackable, match="do not suit"):
        packed(variant_of(SYMBOL_TAPS), beyond)


def test_outputs_below_the_zero_point_are_left_to_others() -> None:
    """The 3x3 kernel rounds halves of one sign alone; a clamp is only what saturation does."""
    windows = Windows(image=(5, 6), filter=(3, 3))
    signed = depthwise_case(windows, input_channels=4, depth_multiplier=1, zero_points=(3, 7))
    clamped = depthwise_case(
        windows,
        input_channels=4,
        depth_multiplier=1,
        zero_points=(3, 7),
        fused=Activation.RELU,
    )
    three, taps = variant_of(SYMBOL_3X3), variant_of(SYMBOL_TAPS)
    assert (fits(three, call_of(signed)), fits(taps, call_of(signed))) == (False, True)
    assert (fits(three, call_of(clamped)), fits(taps, call_of(clamped))) == (False, False)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(-12, -5),
    st.sampled_from(ZERO_POINTS),
    st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6]),
)
def test_what_is_packed_is_exact(
    seed: int, magnitude: float, zero_points: tuple[int, int], fused: Activation
) -> None:
    """Sums anywhere in their range, by the layout's own proof and by counting."""
    rng = np.random.default_rng(seed)
    case = depthwise_case(
        Windows(image=(3, 3), filter=(3, 3)),
        input_channels=4,
        depth_multiplier=1,
        zero_points=zero_points,
        fused=fused,
        scales=(1.0, 1.0),
        weight_scales=[float(s) for s in 2.0**magnitude * rng.uniform(1, 2, 4)],
        label=f"_{seed}",
    )
    call = call_of(case)
    variant = variant_of(SYMBOL_TAPS)
    if not fits(variant, call):
        return
    fields = dict(call.parameters)
    multiplier, shift = (
        np.frombuffer(c.data, "<i4") for c in call.constants if c.name in {"multiplier", "shift"}
    )
    rescaling = np.frombuffer(packed(variant, call).constants[1].data, "<i4").reshape(-1, 4)
    sums = np.arange(-60_000, 60_000, 7, dtype=np.int32)
    for channel in range(4):
        offset = rescaling[channel, 0].astype(np.int64) & 255
        raised = sums.astype(np.int64) * 256 + offset
        raised += np.where(raised < 0, rescaling[channel, 1].astype(np.int64), 0)
        high = raised * rescaling[channel, 2].astype(np.int64) >> 32
        found = np.clip(high + rescaling[channel, 3] >> 12, -128, 127)
        scaled = requantize(sums, multiplier[channel], shift[channel])
        expected = np.clip(
            scaled + fields["output_zero_point"], fields["output_min"], fields["output_max"]
        )
        np.testing.assert_array_equal(found, expected)
