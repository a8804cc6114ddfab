"""CONV_2D for AArch64: weights in blocks of 16 and 8 output channels, and what rescales the sums.

    weights    block after block: (steps, channels of the block, depth), see channel_blocks.py;
               windows are filled up to a multiple of 4 products
    channels   for each block: biases, multipliers, shifts

Where a layer has 8 channels or more, its last block ends where they do and repeats some of the
block before: whole vectors are stored, and nothing beyond the output. Biases have the input's
zero point in them, so that taps outside of the image read the zero point.

Options:
    depth    products of one channel that lie side by side: 2, or 4 for SDOT
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.ops.requantize import wrap_int32
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.plan.layouts.packing import Options

    Array = npt.NDArray[Any]

_WIDTHS = (16, 8)
_STEP = 4  # products that a kernel takes at once
_LEAST, _GREATEST = -(2**15), 2**15 - 1


def pack(call: KernelCall, options: Options) -> KernelCall:
    """Raises NotPackable where two products may leave 16 bits, and for multipliers above 1/2."""
    depth = int(options["depth"])
    arrays = arrays_of(call)
    weights = arrays["weights"].reshape(len(arrays["weights"]), -1)
    filled = np.zeros((len(weights), -(-weights.shape[1] // _STEP) * _STEP), np.int8)
    filled[:, : weights.shape[1]] = weights
    if depth == 2:
        refuse_wide_products(filled)
    zero_point = int(dict(call.parameters)["input_zero_point"])
    sums = weights.astype(np.int64).sum(axis=1)
    bias = wrap_int32(arrays["bias"].astype(np.int64) - zero_point * sums)
    rescaling = np.stack([bias, *right_shifts(arrays["multiplier"], arrays["shift"])])
    packed_weights, channels = [], []
    for first, width in _blocks(len(weights)):
        block = slice(first, first + width)
        packed_weights.append(blocks(filled[block], width, depth).reshape(-1))
        of_block = np.zeros((3, width), np.int32)
        of_block[:, : rescaling[:, block].shape[1]] = rescaling[:, block]
        channels.append(of_block.reshape(-1))
    return replace(
        call,
        constants=(
            constant_of("weights", np.concatenate(packed_weights)),
            constant_of("channels", np.concatenate(channels)),
        ),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The convolution's constants."""
    depth = int(options["depth"])
    fields = dict(packed.parameters)
    shape = tuple(
        int(fields[name]) for name in ("output_channels", "filter_h", "filter_w", "filter_channels")
    )
    n_channels, n_products = shape[0], int(np.prod(shape[1:]))
    n_filled = -(-n_products // _STEP) * _STEP
    weights = np.zeros((n_channels, n_products), np.int8)
    rescaling = np.zeros((3, n_channels), np.int32)
    arrays = arrays_of(packed)
    rest, channels = arrays["weights"], arrays["channels"]
    for first, width in _blocks(n_channels):
        block = rest[: width * n_filled].reshape(1, -1, width, depth)
        n_used = min(width, n_channels)
        weights[first : first + width] = from_blocks(block, n_used, n_products)
        rescaling[:, first : first + width] = channels[: 3 * width].reshape(3, width)[:, :n_used]
        rest, channels = rest[width * n_filled :], channels[3 * width :]
    zero_point = int(fields["input_zero_point"])
    bias = rescaling[0].astype(np.int64) + zero_point * weights.astype(np.int64).sum(axis=1)
    return {
        "weights": weights.reshape(shape),
        "bias": wrap_int32(bias),
        "multiplier": rescaling[1],
        "shift": np.where(rescaling[1] == 0, 0, rescaling[2]).astype(np.int32),
    }


def right_shifts(multiplier: Array, shift: Array) -> tuple[Array, Array]:
    """Multipliers and shifts as SQRDMULH and SRSHL take them.

    A multiplier of 0 has a shift of 0, and any other would do. Raises NotPackable for other
    shifts that are not to the right.
    """
    used = np.where(multiplier == 0, -1, shift)
    if used.max(initial=-1) > -1:
        message = "it multiplies sums by 1/2 or more, which its shifts to the right cannot"
        raise NotPackable(message)
    return multiplier, used.astype(np.int32)


def refuse_wide_products(weights: Array) -> None:
    """Raise NotPackable where the products of one lane with int8 values may leave 16 bits.

    weights: (channels, products), which are multiplied four at a time: the first with the third
    and the second with the fourth in a lane.
    """
    refuse_wide_pairs(weights.reshape(len(weights), -1, 2, 2).transpose(0, 1, 3, 2))


def refuse_wide_pairs(weights: Array) -> None:
    """Raise NotPackable where two products with int8 values may leave 16 bits.

    weights: (..., 2), those whose products are added.
    """
    wide = weights.astype(np.int64)
    at_least = np.minimum(wide * 127, wide * -128).sum(axis=-1)
    at_most = np.maximum(wide * 127, wide * -128).sum(axis=-1)
    if at_least.min(initial=0) < _LEAST or at_most.max(initial=0) > _GREATEST:
        message = "two of its weights are -128 where their products are added in 16 bits"
        raise NotPackable(message)


def _blocks(n_channels: int) -> Iterator[tuple[int, int]]:
    """The first channel and the width of each block."""
    wide, narrow = _WIDTHS
    first = 0
    while first + wide <= n_channels:
        yield first, wide
        first += wide
    while first < n_channels:
        yield max(0, min(first, n_channels - narrow)), narrow
        first += narrow
