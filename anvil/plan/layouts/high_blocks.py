"""int8 CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED for cores that multiply byte by byte.

One constant, `blocks`, int32: for each block of four output channels, as the kernel reads them,

    bias       int32 (4), the input's zero point in it, so that it is what lies beside the image
    weights    int8 (products, 4), one product of all four channels to a word
    rescaling  int32 (4, 4), for each channel its multiplier, addend, below and shifts

The rescaling is that of fixed_rescale.py, for cores that have the high half of a product in one
instruction (MULH on RISC-V), proved for every sum; `shifts` is left + 32 * exponent, of which a
shift by a register takes the lowest five bits by itself. Channels that fill up the last block
are 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.fixed_rescale import FixedRescale, fixed_rescale
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import (
    INT8_MAX,
    INT8_MIN,
    rounded_once,
    rounded_twice,
    scales_of,
    sum_range,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_CHANNELS = 4
_RESCALING_WORDS = 4
_EXPONENT_UNIT = 32


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` in blocks. Raises NotPackable where a sum may wrap or a rescaling is not exact."""
    del options
    fields = {name: int(value) for name, value in call.parameters}
    given = arrays_of(call)
    by_channel = _by_channel(call.op, given["weights"])
    bias = given["bias"].astype(np.int64)
    zero_point = fields.get("input_zero_point", 0)  # FULLY_CONNECTED's bias has it already
    rescale = _rescaling(fields, given, by_channel)
    bias -= zero_point * by_channel.astype(np.int64).sum(axis=1)
    by_step = blocks(by_channel, _CHANNELS, 1)
    shifts = rescale.left + _EXPONENT_UNIT * rescale.exponent
    columns = (rescale.multiplier, rescale.addend, rescale.below, shifts)
    rows = [
        _filled(bias),
        np.ascontiguousarray(by_step).reshape(len(by_step), -1).view("<i4"),
        np.stack([_filled(column) for column in columns], axis=2).reshape(len(by_step), -1),
    ]
    return replace(
        call, constants=(constant_of("blocks", np.concatenate(rows, axis=1).reshape(-1)),)
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """Weights and biases as they were; the scales have been proved to be replaced."""
    del options
    fields = {name: int(value) for name, value in packed.parameters}
    is_depthwise = packed.op == "depthwise_conv_2d"
    taps = (fields["filter_h"], fields["filter_w"]) if "filter_h" in fields else ()
    if packed.op == "fully_connected":
        n_channels, shape = fields["units"], (fields["units"], fields["depth"])
    elif is_depthwise:
        n_channels = fields["input_channels"]
        shape = (1, *taps, n_channels)
    else:
        n_channels = fields["output_channels"]
        shape = (n_channels, *taps, fields["filter_channels"])
    n_products = int(np.prod(shape)) // n_channels
    rows = arrays_of(packed)["blocks"].reshape(-(-n_channels // _CHANNELS), -1)
    words = rows[:, _CHANNELS : _CHANNELS + n_products]
    stored = np.ascontiguousarray(words).view(np.int8).reshape(len(rows), -1, _CHANNELS, 1)
    by_channel = from_blocks(stored, n_channels, n_products)
    bias = rows[:, :_CHANNELS].reshape(-1)[:n_channels].astype(np.int64)
    bias += fields.get("input_zero_point", 0) * by_channel.astype(np.int64).sum(axis=1)
    weights = by_channel.T if is_depthwise else by_channel
    return {"weights": weights.reshape(shape), "bias": bias.astype(np.int32)}


def _by_channel(op: str, weights: Array) -> Array:
    """(output channels, products)."""
    if op == "depthwise_conv_2d":
        return np.ascontiguousarray(weights.reshape(-1, weights.shape[-1]).T)
    return weights.reshape(len(weights), -1)


def _rescaling(
    fields: Mapping[str, int], given: Mapping[str, Array], by_channel: Array
) -> FixedRescale:
    """The proved form; NotPackable where there is none."""
    n_channels = len(by_channel)
    sums = sum_range(by_channel, given["bias"], fields.get("input_zero_point", 0))
    # The kernel saturates, and applies narrower bounds of the activation afterwards.
    end = (fields["output_zero_point"], INT8_MIN, INT8_MAX)
    multiplier, shift = given["multiplier"], given["shift"]
    if "multiplier_low" in given:
        names = ("multiplier", "multiplier_low", "shift")
        scales = scales_of(*(np.broadcast_to(given[name], n_channels) for name in names))
        reference = rounded_once(scales, *end)
        is_bounded = sums.fits_int32
    else:
        scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
        reference = rounded_twice(multiplier, shift, *end)
        is_bounded = sums.fits_int32 and sums.fits_after(shift)
    if not is_bounded:
        msg = "its sums may wrap around"
        raise NotPackable(msg)
    rescale = fixed_rescale(reference, sums, scales, exponent=None)
    if not rescale.is_right.all():
        channel = int(np.flatnonzero(~rescale.is_right)[0])
        msg = f"no cheap rescaling is exact for output channel {channel}"
        raise NotPackable(msg)
    return rescale


def _filled(values: Array) -> Array:
    """One row of int32 for each block, zeros behind the last channel; wraps around."""
    n_blocks = -(-len(values) // _CHANNELS)
    filled = np.zeros(n_blocks * _CHANNELS, "<i4")
    filled[: len(values)] = values.astype(np.int32)
    return filled.reshape(n_blocks, _CHANNELS)
