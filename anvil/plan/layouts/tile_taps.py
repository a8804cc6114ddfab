"""3x3 DEPTHWISE_CONV_2D for kernels that gather a channel's 4x4 values in one vector, as on MVE.

One constant, `channels`, int32:

    zeros       four words, so that there are zeros before the first weights
    weights     (channels, 16) int8: three rows of three and a 0, then zeros, so that reading a few
                bytes early moves the weights by a column or a row
    rescaling   (channels, 4): bias, with the input's zero point in it; multiplier; addend; shift,
                below 0: to the right

    output = ((sum + bias) * multiplier, its high half rounded, + addend) >> -shift, saturated

The addend holds half of what is shifted out and the output's zero point. Halves below 0 are
rounded up, not away from 0 as the reference's are, which shows unless all of them saturate, as
they do after a ReLU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_array, constant_of
from anvil.ops.requantize import INT32_MAX, INT32_MIN
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import (
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
_RECORD = 64  # bytes: four columns of 16 channels
_MOST_ROWS = _MOST_COLUMNS = 30  # more do not fit
_APART = 1.15  # how many more instructions are worth an output in place
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
    """The call of a `tiles` kernel. options: `bytes` of scratch for records and tiles.

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
        outputs: Int64Array = np.clip(added >> shift[:, None], INT8_MIN, bounds[1])
        return outputs

    if not agreeing(form, reference, sums).all():
        raise NotPackable("its outputs do not begin at their zero point, so that halves show")
    weights = np.zeros((len(taps), 16), np.int8)
    weights.reshape(-1, 4, 4)[:, :_TAPS, :_TAPS] = taps.reshape(-1, _TAPS, _TAPS)
    bias = given["bias"] - fields["input_zero_point"] * taps.astype(np.int64).sum(axis=1)
    rescaling = np.stack([bias, given["multiplier"], addend, -shift], axis=1).astype(np.int32)
    channels = np.concatenate(
        [np.zeros(4, np.int32), weights.view("<i4").reshape(-1), rescaling.reshape(-1)]
    )
    blocks = blocks_of(fields, int(options["bytes"]))
    return replace(
        call,
        parameters=(
            *((name, fields[name]) for name in _FIELDS),
            ("block_rows", blocks.rows),
            ("block_columns", blocks.columns),
            ("rows", blocks.rows_at_once),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Of outputs; the last has one more row or column where one would be left."""

    rows: int
    columns: int
    rows_at_once: int  # and again the last ones may be one more

    def instructions(self, fields: Mapping[str, Any]) -> int:
        """What the layer takes, about."""
        n_channels: int = fields["input_channels"]
        cost: int = 0
        for columns in parts(fields["output_w"], self.columns):
            n_across = -(-columns // 2)
            n_strips = n_across if _is_shared(fields) else columns
            for block_rows in parts(fields["output_h"], self.rows):
                steps = parts(block_rows, self.rows_at_once)
                n_tiles = sum(-(-rows // 2) for rows in steps) * n_across
                n_rows = block_rows * fields["stride_h"] + max(_TAPS - fields["stride_h"], 0)
                by_channel = 16 * len(steps) + n_tiles * (15 if _is_shared(fields) else 18)
                by_group = len(steps) * (80 + 90 * n_strips) + 14 * n_strips * n_rows
                cost += int(n_channels * by_channel + -(-n_channels // 16) * by_group)
        return cost

    def bytes_needed(self, fields: Mapping[str, Any]) -> int:
        """Of records, and of the table of tiles, as the kernel lays them out."""
        rows = max(parts(fields["output_h"], self.rows_at_once))
        columns = max(parts(fields["output_w"], self.columns))
        n_across = -(-columns // 2)
        n_strips = n_across if _is_shared(fields) else columns
        n_rows = (rows - 1) * int(fields["stride_h"]) + _TAPS
        n_tiles = -(-rows // 2) * n_across
        return n_strips * n_rows * _RECORD + n_tiles * (8 if _is_shared(fields) else 20)


def parts(whole: int, size: int) -> list[int]:
    """`whole` in parts of `size` and a last one of at least 2, which may be one more."""
    found = []
    while whole:
        found.append(whole if whole <= size + 1 else size)
        whole -= found[-1]
    return found


def blocks_of(fields: Mapping[str, Any], most_bytes: int) -> Blocks:
    """What needs the fewest instructions, or a little more and lies in place.

    Raises NotPackable where nothing fits in `most_bytes`.
    """
    fitting = [b for b in _candidates(fields) if b.bytes_needed(fields) <= most_bytes]
    if not fitting:
        raise NotPackable("no block of two rows and two columns fits into its scratch")

    def cost(blocks: Blocks) -> tuple[float, int]:
        is_whole = blocks.rows == fields["output_h"] and blocks.columns == fields["output_w"]
        return blocks.instructions(fields) * (1.0 if is_whole else _APART), blocks.rows_at_once

    return min(fitting, key=cost)


def _candidates(fields: Mapping[str, Any]) -> Iterator[Blocks]:
    height, width = fields["output_h"], fields["output_w"]
    # Rows that are written lie before all that is still to be read: then one block may be all.
    is_behind = width <= fields["input_w"] and fields["pad_top"] < _TAPS
    for rows in range(2, min(height, _MOST_ROWS) + 1):
        if is_behind or rows == height:
            yield Blocks(rows=height, columns=width, rows_at_once=rows)
        for columns in range(2, min(width, _MOST_COLUMNS) + 1):
            yield Blocks(rows=rows, columns=columns, rows_at_once=rows)


def _is_shared(fields: Mapping[str, Any]) -> bool:
    """Whether four outputs read the same values."""
    return bool(fields["stride_h"] == fields["stride_w"] == 1)
