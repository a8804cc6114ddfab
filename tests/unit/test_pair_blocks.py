"""The layout of WebAssembly's kernels loses nothing, and refuses what it cannot rescale."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.pair_blocks import pack, unpack

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.plan import Constant

_OPTIONS = {"channels": 8}
_OUTPUT = (("output_zero_point", 3), ("output_min", -128), ("output_max", 127))
_RNG = np.random.default_rng(11)


def _array(constant: Constant) -> npt.NDArray[Any]:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)


def _call(
    op: str,
    fields: tuple[tuple[str, int], ...],
    weights: npt.NDArray[np.int8],
    n_channels: int,
    rescaling: tuple[Constant, ...],
) -> KernelCall:
    bias = _RNG.integers(-4000, 4000, n_channels).astype(np.int32)
    return KernelCall(
        op=op,
        dtype="int8",
        parameters=(*fields, *_OUTPUT),
        inputs=(0,),
        constants=(constant_of("weights", weights), constant_of("bias", bias), *rescaling),
        outputs=(1,),
        n_macs=1,
    )


def _convolution(
    shape: tuple[int, int, int, int], *, depthwise: bool = False, shift: int | None = None
) -> KernelCall:
    n_channels = shape[3] if depthwise else shape[0]
    shifts = _RNG.integers(-12, -5, n_channels) if shift is None else np.full(n_channels, shift)
    multipliers = _RNG.integers(2**30, 2**31 - 1, n_channels)
    fields = (("filter_h", shape[1]), ("filter_w", shape[2]), ("input_zero_point", -7))
    own = (
        (("input_channels", shape[3]), ("depth_multiplier", 1))
        if depthwise
        else (("output_channels", shape[0]), ("filter_channels", shape[3]))
    )
    return _call(
        "depthwise_conv_2d" if depthwise else "conv_2d",
        (*fields, *own),
        _RNG.integers(-128, 128, shape, np.int8),
        n_channels,
        (
            constant_of("multiplier", multipliers.astype(np.int32)),
            constant_of("shift", shifts.astype(np.int32)),
        ),
    )


def _fully_connected(units: int, depth: int, scales: list[float]) -> KernelCall:
    parts = [math.frexp(scale) for scale in scales]
    mantissas = [int(fraction * 2**62) for fraction, _ in parts]
    numbers = {
        "multiplier": [mantissa >> 31 for mantissa in mantissas],
        "multiplier_low": [mantissa % 2**31 for mantissa in mantissas],
        "shift": [shift for _, shift in parts],
    }
    return _call(
        "fully_connected",
        (("units", units), ("depth", depth), ("multiplier_stride", int(len(scales) > 1))),
        _RNG.integers(-128, 128, (units, depth), np.int8),
        units,
        tuple(constant_of(name, np.array(n, np.int32)) for name, n in numbers.items()),
    )


CALLS = {
    "1x1": _convolution((8, 1, 1, 16)),
    "odd": _convolution((5, 3, 2, 3)),
    "two blocks": _convolution((17, 1, 3, 4)),
    "depthwise": _convolution((1, 3, 3, 8), depthwise=True),
    "depthwise odd": _convolution((1, 2, 2, 13), depthwise=True),
    "one scale": _fully_connected(9, 7, [0.00123]),
    "a scale for each": _fully_connected(3, 16, [0.0031, 0.1 / 3, 0.00077]),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_lost(name: str) -> None:
    call = CALLS[name]
    found = unpack(pack(call, _OPTIONS), _OPTIONS)
    for constant in call.constants:
        assert found[constant.name].tolist() == _array(constant).tolist(), constant.name


@pytest.mark.parametrize("name", ["1x1", "odd", "two blocks"])
def test_nothing_is_lost_of_rows_in_whole_pairs(name: str) -> None:
    options = {**_OPTIONS, "rows": 1}
    found = unpack(pack(CALLS[name], options), options)
    for constant in CALLS[name].constants:
        assert found[constant.name].tolist() == _array(constant).tolist(), constant.name


@pytest.mark.parametrize("name", ["depthwise", "depthwise odd"])
def test_nothing_is_lost_of_columns(name: str) -> None:
    options = {**_OPTIONS, "columns": 1}
    found = unpack(pack(CALLS[name], options), options)
    for constant in CALLS[name].constants:
        assert found[constant.name].tolist() == _array(constant).tolist(), constant.name


def test_two_rows_of_a_column_are_a_pair() -> None:
    call = CALLS["depthwise"]
    weights = _array(call.constants[0])[0]
    columns = _array(pack(call, {**_OPTIONS, "columns": 1}).constants[0])
    assert columns.shape == (1, 6, 8, 2)
    assert columns[0, 1, 5].tolist() == weights[:2, 1, 5].tolist()
    assert columns[0, 5, 5].tolist() == [weights[2, 2, 5], 0]


def test_a_row_ends_with_a_weight_of_zero_where_it_is_odd() -> None:
    call = _convolution((5, 3, 1, 3))
    weights = _array(call.constants[0])
    rows = _array(pack(call, {**_OPTIONS, "rows": 1}).constants[0])
    assert rows.shape == (1, 6, 8, 2)
    assert rows[0, 3, 2].tolist() == [weights[2, 1, 0, 2], 0]


def test_pairs_of_a_block_s_channels_lie_together() -> None:
    call = CALLS["two blocks"]
    weights = _array(call.constants[0]).reshape(17, 12)
    packed = {constant.name: _array(constant) for constant in pack(call, _OPTIONS).constants}
    assert packed["weights"].shape == (3, 6, 8, 2)
    assert packed["weights"][1, 4, 3].tolist() == weights[11, 8:10].tolist()
    assert packed["weights"][2, :, 1:].any() == np.False_
    bias = _array(call.constants[1])
    assert packed["bias"][11] == bias[11] + 7 * int(weights[11].astype(int).sum())
    assert [len(packed[name]) for name in ("bias", "scale", "away")] == [24, 24, 24]


def test_sums_that_wrap_around_are_refused() -> None:
    with pytest.raises(NotPackable, match="wrap around"):
        pack(_convolution((4, 1, 1, 16), shift=14), _OPTIONS)
    # 16 products of at most 128 * 135 and the bias stay below 2^31 after a shift by 12.
    pack(_convolution((4, 1, 1, 16), shift=12), _OPTIONS)


def test_halves_that_go_elsewhere_are_refused() -> None:
    # With a multiplier of 2^30 and no shift right, TFLite rounds halves up on both sides of 0.
    call = _convolution((4, 1, 1, 16), shift=0)
    named = {constant.name: constant for constant in call.constants}
    named["multiplier"] = constant_of("multiplier", np.full(4, 2**30, np.int32))
    with pytest.raises(NotPackable, match="channel 0"):
        pack(replace(call, constants=tuple(named.values())), _OPTIONS)
