"""int8 DEPTHWISE_CONV_2D for kernels with 16 channels in the lanes of a vector, as on MVE.

One constant, `blocks`, int32: for each block of 16 channels, as the kernel reads them,

    bias        int32 (16), the input's zero point in it, so that it is what lies beside the image
    weights     int8 (taps, 16)
    multiplier  int32 (16)
    shift       int32 (16), below 0: to the right

The int32 are in the order in which widening twice leaves the lanes: `LANES`. Two products are
added in 16 bits, which two weights of -128 would overflow; sums wrap around as the reference's do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_CHANNELS = 16
# Even bytes, then odd ones; of each first the even halfwords and then the odd ones.
LANES = [first + 4 * i for first in (0, 2, 1, 3) for i in range(4)]


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of depthwise_conv_2d in blocks of channels.

    NotPackable for scales from 1/2 on, and where two neighbouring taps are both -128.
    """
    del options
    given = {constant.name: _array(constant) for constant in call.constants}
    if (given["shift"] >= 0).any():
        raise NotPackable("a channel's scale is 1/2 or more, and the kernel only shifts right")
    n_channels = len(given["bias"])
    taps = given["weights"].reshape(-1, n_channels)
    first = len(taps) % 2  # the kernel takes a first one alone where they are odd
    is_least = taps[first:].reshape(-1, 2, n_channels) == np.iinfo(np.int8).min
    if is_least.all(axis=1).any():
        raise NotPackable("two weights of -128 are neighbours, and their products have 17 bits")
    zero_point = int(dict(call.parameters)["input_zero_point"])
    bias = given["bias"].astype(np.int64) - zero_point * taps.astype(np.int64).sum(axis=0)
    by_block = _filled(taps).transpose(1, 0, 2)
    rows = [
        _ordered(bias),
        np.ascontiguousarray(by_block).reshape(len(by_block), -1).view("<i4"),
        _ordered(given["multiplier"]),
        _ordered(given["shift"]),
    ]
    return replace(
        call, constants=(constant_of("blocks", np.concatenate(rows, axis=1).reshape(-1)),)
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """All four constants as they were; a bias only up to 2^32, as sums are."""
    del options
    fields = {name: int(value) for name, value in packed.parameters}
    n_channels, n_taps = fields["input_channels"], fields["filter_h"] * fields["filter_w"]
    rows = _array(packed.constants[0]).reshape(-(-n_channels // _CHANNELS), -1)
    n_weight_words = n_taps * _CHANNELS // 4
    bounds = np.cumsum([_CHANNELS, n_weight_words, _CHANNELS])
    bias, words, multiplier, shift = np.split(rows, bounds, axis=1)
    stored = np.ascontiguousarray(words).view(np.int8).reshape(len(rows), n_taps, _CHANNELS)
    taps = stored.transpose(1, 0, 2).reshape(n_taps, -1)[:, :n_channels]
    folded = fields["input_zero_point"] * taps.astype(np.int64).sum(axis=0)
    return {
        "weights": taps.reshape(1, fields["filter_h"], fields["filter_w"], n_channels),
        "bias": (_in_order(bias, n_channels) + folded).astype(np.int32),
        "multiplier": _in_order(multiplier, n_channels),
        "shift": _in_order(shift, n_channels),
    }


def _filled(values: Array) -> Array:
    """(..., channels) as (..., blocks, 16), zeros behind the last channel."""
    n_blocks = -(-values.shape[-1] // _CHANNELS)
    filled = np.zeros((*values.shape[:-1], n_blocks * _CHANNELS), values.dtype)
    filled[..., : values.shape[-1]] = values
    return filled.reshape(*values.shape[:-1], n_blocks, _CHANNELS)


def _ordered(values: Array) -> Array:
    """One row of int32 for each block, by lane; wraps around."""
    return _filled(values.astype(np.int32))[:, LANES]


def _in_order(rows: Array, n_channels: int) -> Array:
    found = np.empty_like(rows)
    found[:, LANES] = rows
    return found.reshape(-1)[:n_channels]


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)
