"""The layouts of AArch64's kernels: nothing is lost, and what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.plan.layouts import equal_shapes, neon_blocks, neon_rows, neon_taps
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]


def _call(op: str, fields: Mapping[str, int], arrays: Arrays) -> KernelCall:
    return KernelCall(
        op=op,
        dtype="int8",
        parameters=tuple(fields.items()),
        inputs=(0,),
        constants=tuple(constant_of(name, values) for name, values in arrays.items()),
        outputs=(1,),
        n_macs=0,
    )


def _arrays(shape: tuple[int, ...], n_channels: int) -> Arrays:
    rng = np.random.default_rng(sum(shape))
    multiplier = rng.integers(2**30, 2**31, n_channels)
    multiplier[0] = 0  # a scale that vanishes
    shift = np.where(multiplier == 0, 0, rng.integers(-31, 0, n_channels))
    return {
        "weights": rng.integers(-127, 128, shape).astype(np.int8),
        # The extremes wrap around when the zero point is taken off, and back.
        "bias": rng.choice([-(2**31), -5, 0, 2**31 - 1], n_channels).astype(np.int32),
        "multiplier": multiplier.astype(np.int32),
        "shift": shift.astype(np.int32),
    }


def _convolution(shape: tuple[int, int, int, int], zero_point: int = 3) -> KernelCall:
    names = ("output_channels", "filter_h", "filter_w", "filter_channels")
    fields = dict(zip(names, shape, strict=True)) | {"input_zero_point": zero_point}
    return _call("conv_2d", fields, _arrays(shape, shape[0]))


def _depthwise(filter_h: int, filter_w: int, n_channels: int) -> KernelCall:
    fields = {
        "filter_h": filter_h,
        "filter_w": filter_w,
        "input_channels": n_channels,
        "input_zero_point": -128,
    }
    arrays = _arrays((1, filter_h, filter_w, n_channels), n_channels)
    return _call("depthwise_conv_2d", fields, arrays)


def _given(call: KernelCall) -> list[tuple[str, tuple[int, ...], bytes]]:
    return [(constant.name, constant.shape, constant.data) for constant in call.constants]


def _found(arrays: Arrays) -> list[tuple[str, tuple[int, ...], bytes]]:
    return [(name, values.shape, values.tobytes()) for name, values in arrays.items()]


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("n_channels", [1, 7, 8, 9, 15, 16, 17, 24, 25, 40])
@pytest.mark.parametrize("window", [(1, 1, 1), (1, 1, 4), (3, 3, 3), (2, 1, 9)])
def test_a_convolution_is_unpacked(
    window: tuple[int, int, int], n_channels: int, depth: int
) -> None:
    call = _convolution((n_channels, *window))
    packed = neon_blocks.pack(call, {"depth": depth})
    assert _found(neon_blocks.unpack(packed, {"depth": depth})) == _given(call)


@pytest.mark.parametrize("n_channels", [8, 9, 15, 16, 17, 24, 31, 32, 33])
@pytest.mark.parametrize(("filter_h", "filter_w"), [(1, 1), (3, 3), (2, 4), (5, 1)])
def test_a_depthwise_convolution_is_unpacked(filter_h: int, filter_w: int, n_channels: int) -> None:
    call = _depthwise(filter_h, filter_w, n_channels)
    for depth in (1, 4) if filter_w == 3 else (1,):
        options = {"depth": depth}
        assert _found(neon_taps.unpack(neon_taps.pack(call, options), options)) == _given(call)


def test_taps_of_a_row_serve_two_pixels() -> None:
    call = _depthwise(3, 3, 8)
    weights = constant_of("weights", np.arange(72, dtype=np.int8).reshape(1, 3, 3, 8))
    call = replace(call, constants=(weights, *call.constants[1:]))
    packed = neon_taps.pack(call, {"depth": 4})
    # The first channel's first row for both pixels, then its last.
    assert list(packed.constants[0].data[:4]) == [0, 8, 16, 0]
    assert list(packed.constants[0].data[32:36]) == [0, 0, 8, 16]
    assert list(packed.constants[0].data[128:132]) == [48, 56, 64, 0]
    assert packed.constants[0].shape == (3 * 2 * 8 * 4,)


def test_steps_of_two_taps_hold_eight_channels_each() -> None:
    call = _convolution((16, 1, 1, 4), zero_point=0)
    weights = np.arange(64, dtype=np.int8).reshape(16, 1, 1, 4)
    call = replace(call, constants=(constant_of("weights", weights), *call.constants[1:]))
    packed = neon_blocks.pack(call, {"depth": 2})
    assert list(packed.constants[0].data[:6]) == [0, 1, 4, 5, 8, 9]
    assert list(packed.constants[0].data[32:36]) == [2, 3, 6, 7]


def _with_shift(call: KernelCall, shift: int) -> KernelCall:
    *others, shifts = call.constants
    values = np.frombuffer(shifts.data, np.int32).copy()
    values[-1] = shift
    return replace(call, constants=(*others, constant_of("shift", values)))


def test_a_scale_from_a_half_on_is_refused() -> None:
    for layout, call, depth in (
        (neon_blocks, _convolution((5, 1, 1, 4)), 2),
        (neon_taps, _depthwise(1, 1, 8), 1),
        (neon_taps, _depthwise(3, 3, 8), 4),
    ):
        layout.pack(_with_shift(call, -1), {"depth": depth})
        with pytest.raises(NotPackable, match="1/2 or more"):
            layout.pack(_with_shift(call, 0), {"depth": depth})


def test_sdot_takes_every_weight() -> None:
    call = _convolution((8, 1, 1, 8))
    least = constant_of("weights", np.full((8, 1, 1, 8), -128, np.int8))
    call = replace(call, constants=(least, *call.constants[1:]))
    packed = neon_blocks.pack(call, {"depth": 4})
    assert _found(neon_blocks.unpack(packed, {"depth": 4})) == _given(call)
    with pytest.raises(NotPackable, match="-128"):
        neon_blocks.pack(call, {"depth": 2})


@pytest.mark.parametrize("per_unit", [0, 1])
@pytest.mark.parametrize(("units", "depth"), [(1, 1), (8, 16), (9, 17), (12, 64)])
def test_a_fully_connected_layer_is_unpacked(units: int, depth: int, per_unit: int) -> None:
    rng = np.random.default_rng(units * depth)
    n_scales = units if per_unit else 1
    arrays: Arrays = {
        "weights": rng.integers(-127, 128, (units, depth)).astype(np.int8),
        "bias": rng.choice([-(2**31), -5, 2**31 - 1], units).astype(np.int32),
        "multiplier": rng.integers(2**30, 2**31, n_scales).astype(np.int32),
        "multiplier_low": (rng.integers(0, 2**22, n_scales) << 9).astype(np.int32),
        "shift": rng.integers(-40, 3, n_scales).astype(np.int32),
    }
    fields = {"units": units, "depth": depth, "multiplier_stride": per_unit}
    call = _call("fully_connected", fields, arrays)
    for product_bits in (16, 32):
        options = {"product_bits": product_bits}
        assert _found(neon_rows.unpack(neon_rows.pack(call, options), options)) == _given(call)


@pytest.mark.parametrize("table", [[[6, 1, 0]], [[2, 3, 0], [3, 1, 1]]])
def test_inputs_of_two_shapes_are_refused(table: list[list[int]]) -> None:
    loops = np.array(table, np.int32)
    with pytest.raises(NotPackable, match="different shapes"):
        equal_shapes.pack(_call("add", {"n_loops": len(table)}, {"loops": loops}), {})


def test_inputs_of_one_shape_are_taken_as_they_are() -> None:
    call = _call("add", {"n_loops": 1}, {"loops": np.array([[6, 1, 1]], np.int32)})
    assert equal_shapes.pack(call, {}) == call
    assert _found(equal_shapes.unpack(call, {})) == _given(call)
