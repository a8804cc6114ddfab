"""int8 CONV_2D for kernels whose steps are dot products of 16 values, as on MVE.

One constant, `blocks`, int32: for each block of four output channels, as the kernel reads them,

    weights     int8 (steps, 4, 16), steps in the order of `step_order`
    bias        int32 (4), the input's zero point in it, so that it is what lies beside the image
    multiplier  int32 (4)
    shift       int32 (4), below 0: to the right

Channels and products that fill up the last block and the last step are 0. Sums wrap around as
the reference's do, and the kernel rounds twice as the reference does; only a scale from 1/2 on,
which has nothing to shift, is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_CHANNELS, _DEPTH = 4, 16
_ROUND = 8  # steps that the kernel has unrolled


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of conv_2d with its constants in blocks. Raises NotPackable for scales from 1/2 on."""
    del options
    given = {constant.name: _array(constant) for constant in call.constants}
    if (given["shift"] >= 0).any():
        raise NotPackable("a channel's scale is 1/2 or more, and the kernel only shifts right")
    n_channels = len(given["bias"])
    flat = given["weights"].reshape(n_channels, -1)
    by_step = blocks(flat, _CHANNELS, _DEPTH)
    by_step = by_step[:, step_order(by_step.shape[1])]
    zero_point = int(dict(call.parameters)["input_zero_point"])
    bias = given["bias"].astype(np.int64) - zero_point * flat.astype(np.int64).sum(axis=1)
    rows = [
        np.ascontiguousarray(by_step).reshape(len(by_step), -1).view("<i4"),
        *(_filled(values) for values in (bias, given["multiplier"], given["shift"])),
    ]
    packed = np.concatenate(rows, axis=1).reshape(-1)
    return replace(call, constants=(constant_of("blocks", packed),))


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """All four constants as they were; a bias only up to 2^32, as sums are."""
    del options
    fields = {name: int(value) for name, value in packed.parameters}
    n_channels = fields["output_channels"]
    shape = tuple(fields[name] for name in ("filter_h", "filter_w", "filter_channels"))
    n_products = int(np.prod(shape))
    n_steps = -(-n_products // _DEPTH)
    rows = _array(packed.constants[0]).reshape(-(-n_channels // _CHANNELS), -1)
    n_weight_words = n_steps * _CHANNELS * _DEPTH // 4
    stored = np.ascontiguousarray(rows[:, :n_weight_words]).view(np.int8)
    by_step = np.empty((len(rows), n_steps, _CHANNELS, _DEPTH), np.int8)
    by_step[:, step_order(n_steps)] = stored.reshape(by_step.shape)
    flat = from_blocks(by_step, n_channels, n_products)
    columns = rows[:, n_weight_words:].reshape(-1, 3, _CHANNELS).transpose(1, 0, 2)
    bias, multiplier, shift = columns.reshape(3, -1)[:, :n_channels]
    folded = fields["input_zero_point"] * flat.astype(np.int64).sum(axis=1)
    return {
        "weights": flat.reshape(n_channels, *shape),
        "bias": (bias + folded).astype(np.int32),
        "multiplier": np.ascontiguousarray(multiplier),
        "shift": np.ascontiguousarray(shift),
    }


def step_order(n_steps: int) -> list[int]:
    """The first step, and behind it rounds of up to eight, each from its last step to its first.

    >>> step_order(12)
    [0, 8, 7, 6, 5, 4, 3, 2, 1, 11, 10, 9]
    """
    order = [0]
    for start in range(1, n_steps, _ROUND):
        order += range(min(start + _ROUND, n_steps) - 1, start - 1, -1)
    return order


def _filled(values: Array) -> Array:
    """One row of int32 for each block, zeros behind the last channel; wraps around."""
    n_blocks = -(-len(values) // _CHANNELS)
    filled = np.zeros(n_blocks * _CHANNELS, "<i4")
    filled[: len(values)] = values.astype(np.int32)
    return filled.reshape(n_blocks, _CHANNELS)


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)
