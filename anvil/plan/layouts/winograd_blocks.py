"""int8 CONV_2D of 3x3 with stride 1 for kernels that multiply by Winograd's F(2x2, 3x3).

Constants are those of pair_blocks, and of four times the sums: that is what the kernel's whole
numbers give. Weights stay as they are, 9 bytes a filter; the kernel spreads them into 16 numbers.

    weights     int8 (blocks of 8 output channels, taps * pairs, 8, 2); the input's channels are
                in blocks of 8, too: the last one is those that end the pixel, with weights of 0
                where the block before has them
    bias        int32, four times that of pair_blocks
    scale       float64, a quarter
    away        float64

The parameter `band_rows` is added: how many rows of outputs the kernel computes from tiles that
it keeps. The option `tiles` says about how many those are. All else may wrap around on the way, but
four times a sum must fit 32 bits; products do, since inputs are spread to at most 512 and weights
to 1152.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts import pair_blocks
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import SumRange, sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_CHANNELS = 8  # of a block, on both sides
_PAIR = 2
_PLAIN = {"channels": _CHANNELS}
_BAND = "band_rows"


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of conv_2d, whose input has eight channels or more.

    Raises NotPackable where pair_blocks does, and for sums of more than 30 bits.
    """
    given = {constant.name: _array(constant) for constant in call.constants}
    fields: dict[str, Any] = dict(call.parameters)
    weights = given["weights"]
    flat = weights.reshape(len(weights), -1)
    sums = sum_range(flat, given["bias"], fields["input_zero_point"])
    if not SumRange(low=4 * sums.low, high=4 * sums.high).fits_int32:
        msg = "four times a sum exceeds 32 bits"
        raise NotPackable(msg)
    plain = pair_blocks.pack(call, _PLAIN)
    packed = {constant.name: _array(constant) for constant in plain.constants}
    places = _places(weights.shape[3])
    filled = np.zeros((*weights.shape[:3], -(-weights.shape[3] // _CHANNELS) * _CHANNELS), np.int8)
    filled[..., places] = weights
    return replace(
        call,
        parameters=(*call.parameters, (_BAND, _band_rows(fields, int(options["tiles"])))),
        constants=(
            constant_of("weights", blocks(filled.reshape(len(filled), -1), _CHANNELS, _PAIR)),
            constant_of("bias", 4 * packed["bias"]),
            constant_of("scale", packed["scale"] / 4),
            constant_of("away", packed["away"]),
        ),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The weights and biases, and what the scales were made from."""
    del options
    given = {constant.name: _array(constant) for constant in packed.constants}
    fields: dict[str, Any] = dict(packed.parameters)
    n_channels, depth = fields["output_channels"], fields["filter_channels"]
    n_products = given["weights"].shape[1] * _PAIR
    filled = from_blocks(given["weights"], n_channels, n_products).reshape(n_channels, 9, -1)
    flat = filled[..., _places(depth)].reshape(n_channels, -1)
    plain = replace(
        packed,
        parameters=tuple(one for one in packed.parameters if one[0] != _BAND),
        constants=(
            constant_of("weights", blocks(flat, _CHANNELS, _PAIR)),
            constant_of("bias", given["bias"] // 4),
            constant_of("scale", given["scale"] * 4),
            constant_of("away", given["away"]),
        ),
    )
    return pair_blocks.unpack(plain, _PLAIN)


def _places(n_channels: int) -> Array:
    """Where each channel's weights are in the blocks."""
    places = np.arange(n_channels)
    n_rest = n_channels % _CHANNELS
    places[n_channels - n_rest :] += _CHANNELS - n_rest
    return places


def _band_rows(fields: Mapping[str, Any], n_tiles: int) -> int:
    """Rows of outputs in a band; scratch_bytes in kernels.yaml says the same."""
    across, down = (fields["output_w"] + 1) // 2, (fields["output_h"] + 1) // 2
    return 2 * int(min(down, max(1, n_tiles // across)))


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)
