"""The layout of AVX2's kernels: nothing is lost, and its rescaling is the reference's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.ops.requantize import INT32_MAX, requantize
from anvil.plan.layouts import byte_columns
from anvil.plan.layouts.byte_blocks import pack, unpack
from anvil.plan.layouts.byte_rescale import Form, array_of_constant, fits_pairs
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import SumRange, rounded_once, scales_of
from anvil.plan.layouts.wide_rescale import (
    SIGN,
    Scales,
    WideRescale,
    rounding_once,
    rounding_twice,
)

_OPTIONS = {"channels": 8, "depth": 4}
_MULTIPLIERS = np.array([2**30, 1500000001, 2**31 - 1, 2**30, 2**31 - 1, 0], np.int32)
_SHIFTS = np.array([-1, -7, -9, -31, -30, -3], np.int32)


def _convolution(window: tuple[int, int, int], *, dilation_w: int, n_channels: int) -> KernelCall:
    rng = np.random.default_rng(7)
    return KernelCall(
        op="conv_2d",
        dtype="int8",
        parameters=(
            ("output_channels", n_channels),
            ("filter_channels", window[2]),
            ("filter_h", window[0]),
            ("filter_w", window[1]),
            ("dilation_w", dilation_w),
            ("input_zero_point", -5),
            ("output_zero_point", 3),
            ("output_min", -128),
            ("output_max", 127),
        ),
        inputs=(0,),
        constants=(
            constant_of("weights", rng.integers(-128, 128, (n_channels, *window), np.int8)),
            constant_of("bias", rng.integers(-(2**20), 2**20, n_channels).astype(np.int32)),
            constant_of("multiplier", rng.integers(2**30, 2**31 - 1, n_channels).astype(np.int32)),
            constant_of("shift", rng.integers(-31, 0, n_channels).astype(np.int32)),
        ),
        outputs=(1,),
        n_macs=1,
    )


@pytest.mark.parametrize("window", [(1, 1, 1), (1, 1, 8), (3, 3, 3), (10, 4, 1), (2, 3, 5)])
@pytest.mark.parametrize("n_channels", [1, 8, 17])
@pytest.mark.parametrize("dilation_w", [1, 3])
def test_nothing_of_a_convolution_is_lost(
    window: tuple[int, int, int], n_channels: int, dilation_w: int
) -> None:
    call = _convolution(window, dilation_w=dilation_w, n_channels=n_channels)
    packed = pack(call, _OPTIONS)
    again = unpack(packed, _OPTIONS)
    assert again.keys() >= {"weights", "bias"}
    for constant in call.constants:
        if constant.name in again:
            original = array_of_constant(constant)
            np.testing.assert_array_equal(again[constant.name], original, constant.name)
            assert again[constant.name].dtype == original.dtype


def test_taps_that_are_apart_begin_a_step_each() -> None:
    together, apart = (
        array_of_constant(
            pack(_convolution((2, 3, 3), dilation_w=d, n_channels=1), _OPTIONS).constants[0]
        ).shape
        for d in (1, 2)
    )
    assert together == (1, 2 * 3, 8, 4)  # 9 products of a row in 3 steps
    assert apart == (1, 6 * 1, 8, 4)


@pytest.mark.parametrize("most", [2**15, 2**27])  # the latter is nothing for float32
def test_a_convolution_of_unsigned_values_gives_the_sums(most: int) -> None:
    call = _convolution((1, 1, 9), dilation_w=1, n_channels=3)
    replaced = {
        "bias": np.array([most, -most, most - 7], np.int32),
        "multiplier": np.full(3, 1500000001, np.int32),
        "shift": np.full(3, -7, np.int32),
    }
    others = (constant_of(name, array) for name, array in replaced.items())
    call = replace(call, constants=(call.constants[0], *others))
    weights, bias = (array_of_constant(c).astype(np.int64) for c in call.constants[:2])
    values = np.array([-128, 127, -5, 0, 1, -1, 90, -90, 64], np.int64)
    packed = pack(call, _OPTIONS)
    is_wide = most > 2**24
    assert dict(packed.parameters)["form"] == (Form.WIDE_AWAY if is_wide else Form.FUSED_SYMMETRIC)
    packed_bias = array_of_constant(packed.constants[1])[:3].astype(np.int64)
    unsigned = packed_bias + weights.reshape(3, 9) @ (values + 128)
    true = bias + weights.reshape(3, 9) @ (values + 5)
    assert ((unsigned - true - SIGN * is_wide) % 2**32 == 0).all()


@pytest.mark.parametrize("is_per_channel", [False, True])
def test_nothing_but_lower_bits_of_a_fully_connected_layer_is_lost(*, is_per_channel: bool) -> None:
    rng = np.random.default_rng(8)
    units, depth = 9, 13
    n_scales = units if is_per_channel else 1
    constants = {
        "weights": rng.integers(-128, 128, (units, depth), np.int8),
        "bias": rng.integers(-9999, 9999, units).astype(np.int32),
        "multiplier": rng.integers(2**30, 2**31 - 1, n_scales).astype(np.int32),
        "multiplier_low": np.zeros(n_scales, np.int32),
        "shift": np.full(n_scales, -9, np.int32),
    }
    call = KernelCall(
        op="fully_connected",
        dtype="int8",
        parameters=(
            ("depth", depth),
            ("units", units),
            ("output_zero_point", 4),
            ("output_min", -128),
            ("output_max", 127),
        ),
        inputs=(0,),
        constants=tuple(constant_of(name, array) for name, array in constants.items()),
        outputs=(1,),
        n_macs=1,
    )
    again = unpack(pack(call, _OPTIONS), _OPTIONS)
    for name in ("weights", "bias"):
        np.testing.assert_array_equal(again[name], constants[name])
    assert set(again) == {"weights", "bias"}  # in floating point


@pytest.mark.parametrize("filter_size", [(1, 1), (3, 3), (4, 2), (5, 1), (9, 3)])
@pytest.mark.parametrize("n_channels", [1, 8, 19])
def test_nothing_of_a_depthwise_convolution_is_lost(
    filter_size: tuple[int, int], n_channels: int
) -> None:
    rng = np.random.default_rng(11)
    weights = rng.integers(-128, 128, (1, *filter_size, n_channels), np.int8)
    constants = _convolution((1, 1, 1), dilation_w=1, n_channels=n_channels).constants[1:]
    call = KernelCall(
        op="depthwise_conv_2d",
        dtype="int8",
        parameters=(
            ("input_channels", n_channels),
            ("filter_h", filter_size[0]),
            ("filter_w", filter_size[1]),
            ("input_zero_point", 100),
            ("output_zero_point", -128),
            ("output_min", -128),
            ("output_max", 127),
        ),
        inputs=(0,),
        constants=(constant_of("weights", weights), *constants),
        outputs=(1,),
        n_macs=1,
    )
    packed = byte_columns.pack(call, _OPTIONS)
    again = byte_columns.unpack(packed, _OPTIONS)
    assert again.keys() >= {"weights", "bias"}
    for constant in call.constants:
        if constant.name in again:
            np.testing.assert_array_equal(again[constant.name], array_of_constant(constant))
    # Row 2 of column 0 of channel 0 is the third of four neighbours.
    if filter_size[0] > 2:
        assert array_of_constant(packed.constants[0])[0, 0, 0, 0, 2] == weights[0, 2, 0, 0]


def _computed(rescale: WideRescale, sums: np.ndarray, *, halves_away: bool) -> np.ndarray:
    """What the kernel's instructions make of (channels, n) sums, before the zero point."""
    unsigned = (sums + SIGN).astype(np.uint64)
    products = unsigned * rescale.multiplier.astype(np.uint64)[:, None]
    products += rescale.rounding.view(np.uint64)[:, None]
    high = (products >> np.uint64(32)).astype(np.uint32).view(np.int32)
    if halves_away:
        high = high - (sums < 0).astype(np.int32)
    found: np.ndarray = high >> rescale.shift[:, None]
    return found


def _sums(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(9)
    anywhere = rng.integers(low[:, None], high[:, None], (len(low), 3000), endpoint=True)
    # Where 1500000001 * 2^-7 / 2^31 and the others have their steps, and around 0.
    near = np.clip(np.arange(-1500, 1500), low[:, None], high[:, None])
    return np.concatenate([anywhere, near, low[:, None], high[:, None]], axis=1)


def test_rounding_twice_is_the_reference_s_at_its_bounds() -> None:
    greatest = INT32_MAX - (1 << (-_SHIFTS.astype(np.int64) - 1))
    sums = SumRange(low=-greatest, high=greatest)
    rescale = rounding_twice(_MULTIPLIERS, _SHIFTS, sums)
    points = _sums(sums.low, sums.high)
    expected = requantize(points, _MULTIPLIERS[:, None], _SHIFTS[:, None])
    np.testing.assert_array_equal(_computed(rescale, points, halves_away=True), expected)
    # What an activation that begins at the zero point lets through is right without the 1.
    fewer = np.maximum(_computed(rescale, points, halves_away=False), 0)
    np.testing.assert_array_equal(fewer, np.maximum(expected, 0))
    assert (_computed(rescale, points, halves_away=False) != expected).any()


def test_what_is_not_exact_is_refused() -> None:
    call = _convolution((1, 1, 2), dilation_w=1, n_channels=3)
    shift = constant_of("shift", np.array([-3, 0, -3], np.int32))
    with pytest.raises(NotPackable, match="channel 1 is scaled by 1/2 or more"):
        pack(replace(call, constants=(*call.constants[:3], shift)), _OPTIONS)
    limit = INT32_MAX - (1 << 6)
    for beyond in (0, 1):
        sums = SumRange(low=np.array([0, -limit - beyond]), high=np.array([0, 0]))
        multiplier, shift_array = np.full(2, 2**30, np.int32), np.full(2, -7, np.int32)
        if beyond:
            with pytest.raises(NotPackable, match=f"sums of channel 1 reach {2**31}"):
                rounding_twice(multiplier, shift_array, sums)
        else:
            rounding_twice(multiplier, shift_array, sums)


def test_rounding_once_is_the_reference_s_or_refused() -> None:
    rng = np.random.default_rng(10)
    n = 200
    sums = SumRange(low=np.full(n, -80_000), high=np.full(n, 70_000))
    scales = Scales(
        multiplier=rng.integers(2**30, 2**31 - 1, n).astype(np.int32),
        multiplier_low=(rng.integers(0, 2**22, n) << 9).astype(np.int32),
        shift=rng.integers(-11, -5, n).astype(np.int32),
    )
    rescale = rounding_once(scales, sums, 3, -128, 127)
    points = _sums(sums.low, sums.high)
    reals = scales_of(scales.multiplier, scales.multiplier_low, scales.shift)
    expected = rounded_once(reals, 3, -128, 127)(points)
    found = np.clip(_computed(rescale, points, halves_away=False) + 3, -128, 127)
    np.testing.assert_array_equal(found, expected)
    # Exact halves below 0 go down in the reference.
    halves = Scales(
        multiplier=np.array([2**30], np.int32),
        multiplier_low=np.zeros(1, np.int32),
        shift=np.array([0], np.int32),
    )
    one = SumRange(low=np.array([-80]), high=np.array([80]))
    with pytest.raises(NotPackable, match="channel 0 needs more than 31 bits"):
        rounding_once(halves, one, 0, -128, 127)
    rounding_once(halves, one, 0, 0, 127)


@pytest.mark.parametrize(
    ("pair", "fits"),
    [((64, 64), 1), ((-128, 0), 1), ((0, 127), 1), ((-64, 64), 1), ((65, 64), 0), ((-128, 1), 0)],
)
def test_pairs_of_weights_that_cannot_saturate(pair: tuple[int, int], fits: int) -> None:
    steps = np.zeros((2, 3, 8, 4), np.int8)
    steps[1, 2, 7, 2:] = pair
    assert fits_pairs(steps) == fits
    largest = max(abs(255 * int(steps[..., k::2].astype(int).min())) for k in range(2))
    assert not fits or largest <= 2**15
    # The second and the third byte of a step are of two pairs, until the weights slide.
    across = np.zeros((1, 1, 8, 4), np.int8)
    across[0, 0, 0, 1:3] = pair
    assert fits_pairs(across) == 1
    assert fits_pairs(across[..., 1:-1]) == fits
