"""DEPTHWISE_CONV_2D for AArch64: weights in blocks of channels, tap after tap.

    weights    for each block, by depth: (taps, channels of the block), an even number of taps,
               the last of which may have weight 0; or (rows, 2, channels of the block, 4): the
               three taps of a row for two neighbouring pixels, a 0 behind those of the first and
               in front of those of the second
    channels   for each block: biases, multipliers, shifts

Blocks have 16 channels, or 8 where there are fewer than 16. The last one ends where the channels
do and repeats some of the block before. Biases have the input's zero point in them, so that taps
outside of the image read the zero point.

Options:
    depth    taps of one channel that lie side by side: 1, or 4 for SDOT, in filters 3 taps wide
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.ops.requantize import wrap_int32
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.neon_blocks import refuse_wide_pairs, right_shifts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.plan.layouts.packing import Options

    Array = npt.NDArray[Any]

_WIDE, _NARROW = 16, 8
_ROW = 4  # bytes of a row of two windows


def pack(call: KernelCall, options: Options) -> KernelCall:
    """Raises NotPackable for multipliers above 1/2.

    Of depth 1 also where two products may leave 16 bits.
    """
    fields = dict(call.parameters)
    arrays = arrays_of(call)
    taps = arrays["weights"].reshape(-1, arrays["weights"].shape[-1])
    sums = taps.astype(np.int64).sum(axis=0)
    bias = wrap_int32(arrays["bias"].astype(np.int64) - int(fields["input_zero_point"]) * sums)
    rescaling = np.stack([bias, *right_shifts(arrays["multiplier"], arrays["shift"])])
    filled = _side_by_side(taps) if int(options["depth"]) == _ROW else _even(taps)
    chosen = list(_blocks(taps.shape[1]))
    return replace(
        call,
        constants=(
            constant_of("weights", np.concatenate([filled[..., b, :].reshape(-1) for b in chosen])),
            constant_of("channels", np.concatenate([rescaling[:, b].reshape(-1) for b in chosen])),
        ),
    )


def _even(taps: Array) -> Array:
    """`taps` (taps, channels) as (taps, channels, 1), with one of weight 0 where they are odd."""
    filled = np.concatenate([taps, np.zeros((len(taps) % 2, taps.shape[1]), np.int8)])
    refuse_wide_pairs(filled.reshape(-1, 2, filled.shape[1]).transpose(0, 2, 1))
    return filled[..., np.newaxis]


def _side_by_side(taps: Array) -> Array:
    """`taps` (taps, channels) as (rows, 2, channels, 4)."""
    rows = taps.reshape(-1, _ROW - 1, taps.shape[1]).transpose(0, 2, 1)
    filled = np.zeros((len(rows), 2, taps.shape[1], _ROW), np.int8)
    filled[:, 0, :, :-1] = rows
    filled[:, 1, :, 1:] = rows
    return filled


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The convolution's constants."""
    fields = dict(packed.parameters)
    filter_h, filter_w, n_channels = (
        int(fields[name]) for name in ("filter_h", "filter_w", "input_channels")
    )
    n_taps = filter_h * filter_w
    taps = np.zeros((n_taps, n_channels), np.int8)
    rescaling = np.zeros((3, n_channels), np.int32)
    arrays = arrays_of(packed)
    width = _width(n_channels)
    blocks = list(_blocks(n_channels))
    weights = arrays["weights"].reshape(len(blocks), -1)
    for number, block in enumerate(blocks):
        if int(options["depth"]) == _ROW:
            rows = weights[number].reshape(filter_h, 2, width, _ROW)[:, 0, :, :-1]
            taps[:, block] = rows.transpose(0, 2, 1).reshape(n_taps, width)
        else:
            taps[:, block] = weights[number].reshape(-1, width)[:n_taps]
        rescaling[:, block] = arrays["channels"].reshape(-1, 3, width)[number]
    zero_point = int(fields["input_zero_point"])
    bias = rescaling[0].astype(np.int64) + zero_point * taps.astype(np.int64).sum(axis=0)
    return {
        "weights": taps.reshape(1, filter_h, filter_w, n_channels),
        "bias": wrap_int32(bias),
        "multiplier": rescaling[1],
        "shift": np.where(rescaling[1] == 0, 0, rescaling[2]).astype(np.int32),
    }


def _width(n_channels: int) -> int:
    return _WIDE if n_channels >= _WIDE else _NARROW


def _blocks(n_channels: int) -> Iterator[slice]:
    width = _width(n_channels)
    for first in range(0, n_channels, width):
        last = min(first, n_channels - width)
        yield slice(last, last + width)
