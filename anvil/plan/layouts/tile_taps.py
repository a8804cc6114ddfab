"""3x3 DEPTHWISE_CONV_2D for kernels that gather a channel's 4x4 values in one vector, as on MVE.

One constant, `channels`, int32:

    zeros       four words, so that there are zeros before the first weights
    weights     (channels, 16) int8: three rows of three and a 0, then zeros, so that reading a few
                bytes early moves the weights by a column or a row
    rescaling   (channels, 4): bias, with the input's zero point in it; multiplier; addend; shift,
                below 0: to the right

    output = ((sum + bias) * multiplier, its high half rounded, + addend) >> -shift, saturated

The addend holds half of what is shifted out and the output's zero point. Halves below 0 are rounded
up, not away from 0 as the reference's are, which shows unless all of them saturate, as after a ReLU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_array, constant_of
from anvil.ops.requantize import INT32_MAX, INT32_MIN
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import (
    INT8_MAX,
    INT8_MIN,
    agreeing,
    rounded_twice,
    sum_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Int64Array = npt.NDArray[np.int64]
    Options = Mapping[str, int | str]

_TAPS = 3
_MOST_SHIFT = 22  # an int32 then holds any output before it is shifted
_FIELDS = (
    "batches",
    "input_h",
    "input_w",
    "input_channels",
    "output_h",
    "output_w",
    "stride_h",
    "stride_w",
    "pad_top",
    "pad_left",
    "input_zero_point",
    "output_max",
)


def pack(call: KernelCall, options: Options) -> KernelCall:
    """The call of a `tiles` kernel. options: `records` of 4 columns that a block may have.

    NotPackable where sums may wrap around or halves show, and for scales from 1/2 on.
    """
    fields: dict[str, Any] = dict(call.parameters)
    given = {constant.name: constant_array(constant) for constant in call.constants}
    taps = given["weights"].reshape(_TAPS * _TAPS, -1).T
    shift = -given["shift"].astype(np.int64)
    if (shift < 1).any() or (shift > _MOST_SHIFT).any():
        msg = f"a channel's scale is 1/2 or more, or less than 2^-{_MOST_SHIFT}"
        raise NotPackable(msg)
    sums = sum_range(taps, given["bias"], fields["input_zero_point"])
    if not sums.fits_int32:
        raise NotPackable("its sums may wrap around")
    addend = (1 << shift - 1) + (fields["output_zero_point"] << shift)
    bounds = fields["output_min"], fields["output_max"]
    reference = rounded_twice(
        given["multiplier"], given["shift"], fields["output_zero_point"], *bounds
    )

    def form(values: Int64Array) -> Int64Array:
        high = values * given["multiplier"].astype(np.int64)[:, None] + (1 << 30) >> 31
        added = np.clip(high + addend[:, None], INT32_MIN, INT32_MAX)
        outputs: Int64Array = np.clip(added >> shift[:, None], INT8_MIN, INT8_MAX)
        return np.minimum(outputs, bounds[1])

    if not agreeing(form, reference, sums).all():
        raise NotPackable("its outputs do not begin at their zero point, so that halves show")
    weights = np.zeros((len(taps), 16), np.int8)
    weights.reshape(-1, 4, 4)[:, :_TAPS, :_TAPS] = taps.reshape(-1, _TAPS, _TAPS)
    bias = given["bias"] - fields["input_zero_point"] * taps.astype(np.int64).sum(axis=1)
    rescaling = np.stack([bias, given["multiplier"], addend, -shift], axis=1).astype(np.int32)
    channels = np.concatenate(
        [np.zeros(4, np.int32), weights.view("<i4").reshape(-1), rescaling.reshape(-1)]
    )
    rows, columns = block_of(fields, int(options["records"]))
    return replace(
        call,
        parameters=(
            *((name, fields[name]) for name in _FIELDS),
            ("block_rows", rows),
            ("block_columns", columns),
        ),
        constants=(constant_of("channels", channels),),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """All four constants as they were."""
    del options
    fields: dict[str, Any] = dict(packed.parameters)
    words = constant_array(packed.constants[0])[4:].reshape(2, -1, 4)
    stored = np.ascontiguousarray(words[0]).view(np.int8).reshape(-1, 4, 4)
    weights = stored[:, :_TAPS, :_TAPS].transpose(1, 2, 0)[None]
    bias, multiplier, _, shift = words[1].T
    folded = fields["input_zero_point"] * weights.astype(np.int64).sum(axis=(0, 1, 2))
    return {
        "weights": np.ascontiguousarray(weights),
        "bias": (bias + folded).astype(np.int32),
        "multiplier": multiplier,
        "shift": shift,
    }


def block_of(fields: Mapping[str, Any], n_records: int) -> tuple[int, int]:
    """Rows and columns of outputs of a block: what needs the fewest instructions.

    No block, the last one included, has a single row or column, since outputs come in pairs.
    """
    found = min(_blocks(fields, n_records), default=None)
    if found is None:
        raise NotPackable("no block of at least two rows and columns fits")
    return found[1:]


def _blocks(fields: Mapping[str, Any], n_records: int) -> Iterator[tuple[float, int, int]]:
    """What a block costs the layer, about, its rows and its columns."""
    height, width = fields["output_h"], fields["output_w"]
    is_shared = fields["stride_h"] == fields["stride_w"] == 1
    n_groups = -(-fields["input_channels"] // 16)
    for columns in range(2, width + 1):
        if width % columns == 1:
            continue
        n_strips = -(-columns // 2) if is_shared else columns
        for rows in range(2, height + 1):
            n_rows = (rows - 1) * fields["stride_h"] + _TAPS
            if height % rows == 1 or n_strips * n_rows > n_records:
                continue
            n_blocks = -(-height // rows) * -(-width // columns)
            n_tiles = -(-rows // 2) * -(-columns // 2)
            by_channel = 16 + n_tiles * (15 if is_shared else 18)
            by_group = 60 + n_strips * (70 + 14 * n_rows)
            cost = n_blocks * (fields["input_channels"] * by_channel + n_groups * by_group)
            yield cost, rows, columns
