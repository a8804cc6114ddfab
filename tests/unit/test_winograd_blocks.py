"""The layout of Winograd's kernel for WebAssembly loses nothing, and its sums fit 32 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.expressions import evaluate
from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.winograd_blocks import pack, unpack
from tests.support.kernel_harness import kernel_files

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.plan import Constant

    Array = npt.NDArray[Any]

_OPTIONS = {"tiles": 32}
_ZERO_POINT = -7
# What B and A of the kernel's own comment say, and G with its outer rows doubled.
_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)


def _call(
    n_channels: int, depth: int, image: tuple[int, int] = (5, 6), bias: Array | None = None
) -> KernelCall:
    rng = np.random.default_rng(n_channels + depth)
    fields = {
        "output_h": image[0],
        "output_w": image[1],
        "input_channels": depth,
        "output_channels": n_channels,
        "filter_channels": depth,
        "filter_h": 3,
        "filter_w": 3,
        "input_zero_point": _ZERO_POINT,
        "output_zero_point": 3,
        "output_min": -128,
        "output_max": 127,
    }
    biases = rng.integers(-4000, 4000, n_channels) if bias is None else bias
    constants = {
        "bias": biases,
        "multiplier": rng.integers(2**30, 2**31 - 1, n_channels),
        "shift": rng.integers(-12, -5, n_channels),
    }
    weights = rng.integers(-128, 128, (n_channels, 3, 3, depth), np.int8)
    return KernelCall(
        op="conv_2d",
        dtype="int8",
        parameters=tuple(fields.items()),
        inputs=(0,),
        constants=(
            constant_of("weights", weights),
            *(constant_of(name, values.astype(np.int32)) for name, values in constants.items()),
        ),
        outputs=(1,),
        n_macs=1,
    )


@pytest.mark.parametrize("depth", [8, 9, 15, 16, 17])
@pytest.mark.parametrize("n_channels", [1, 7, 8, 9])
def test_packing_loses_nothing(n_channels: int, depth: int) -> None:
    call = _call(n_channels, depth)
    found = unpack(pack(call, _OPTIONS), _OPTIONS)
    assert found.keys() == {constant.name for constant in call.constants}
    for constant in call.constants:
        np.testing.assert_array_equal(found[constant.name], _array(constant), constant.name)


@pytest.mark.parametrize("depth", [8, 11, 16])
def test_tiles_of_the_packed_constants_give_four_times_the_sums(depth: int) -> None:
    call = _call(9, depth)
    given = {constant.name: _array(constant) for constant in pack(call, _OPTIONS).constants}
    tile = np.random.default_rng(depth).integers(-128, 128, (4, 4, depth))
    n_filled = -(-depth // 8) * 8
    # As the kernel reads them: the last eight channels of a pixel are a block.
    starts = [min(start, depth - 8) for start in range(0, depth, 8)]
    inputs = np.concatenate([tile[..., start : start + 8] for start in starts], axis=-1)
    products = given["weights"].transpose(0, 2, 1, 3).reshape(16, 3, 3, n_filled).astype(np.int64)
    spread_weights = np.einsum("iy,oyxc,jx->oijc", _G, products, _G)
    spread_inputs = np.einsum("iy,yxc,jx->ijc", _B, inputs, _B)
    assert abs(spread_weights).max() <= 1152
    assert abs(spread_inputs).max() <= 512
    multiplied = (spread_weights * spread_inputs).sum(axis=-1)
    multiplied[:, 1, 1] += given["bias"]
    found = np.einsum("yi,oij,xj->oyx", _A, multiplied, _A)[:9]
    weights, bias = (_array(constant).astype(np.int64) for constant in call.constants[:2])
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        window = tile[y : y + 3, x : x + 3] - _ZERO_POINT
        expected = bias + (weights * window).sum(axis=(1, 2, 3))
        np.testing.assert_array_equal(found[:, y, x], 4 * expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_four_times_a_sum_fits_32_bits_or_is_refused(sign: int) -> None:
    weights = np.zeros((1, 3, 3, 8), np.int8)
    weights[0, 1, 1, 2] = sign
    # The input that moves a sum farthest from its bias.
    largest = 127 - _ZERO_POINT
    most = 2**29 - 1 if sign > 0 else 2**29
    for more, is_refused in ((0, False), (1, True)):
        bias = np.array([sign * (most - largest + more)])
        call = _call(1, 8, bias=bias)
        call = replace(call, constants=(constant_of("weights", weights), *call.constants[1:]))
        if is_refused:
            with pytest.raises(NotPackable, match="four times a sum"):
                pack(call, _OPTIONS)
        else:
            assert unpack(pack(call, _OPTIONS), _OPTIONS)["bias"] == bias


@pytest.mark.parametrize(
    ("image", "rows"),
    [
        ((9, 40), 2),
        ((9, 64), 2),
        ((9, 65), 2),
        ((9, 16), 8),
        ((9, 17), 6),
        ((1, 1), 2),
        ((9, 2), 10),
    ],
)
def test_a_band_is_about_32_tiles_and_has_its_scratch(image: tuple[int, int], rows: int) -> None:
    packed = dict(pack(_call(8, 9, image), _OPTIONS).parameters)
    assert packed["band_rows"] == rows
    variants = load_variants(kernel_files())
    (variant,) = (v for v in variants if v.symbol == "anvil_conv_2d_int8_winograd__simd128")
    n_tiles = rows // 2 * -(-image[1] // 2)
    # Products of 16 positions with 8 channels for four tiles; weights and tiles of 16 channels.
    needed = 16 * 4 * 8 * 4 + 16 * 16 * 8 * 2 + n_tiles * 16 * 16 * 2
    assert evaluate(variant.scratch_bytes, dict(_call(8, 9, image).parameters)) == needed
