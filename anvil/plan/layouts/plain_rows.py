"""Rows of weights and a record for each, for cores that multiply 32 bits and keep no more.

    weights  int8 (channels, depth): of CONV_2D and FULLY_CONNECTED as they are, with rows of zeros
             behind them up to four; of DEPTHWISE_CONV_2D each channel's taps, filled up with zeros
             to a multiple of three
    records  int32 (channels, 3): bias with the input's zero point in it, multiplier, and the right
             shift less 1

The form of rescaling is

    high = (sum * multiplier + (sum < 0 ? -half : half) * 2**16) >> 31
    output = ((high >> shift - 1) + 2 * zero_point + 1) >> 1

With a half of 2**14 that is gemmlowp's double rounding: the halves of its second one go away from
zero, so that a `high` below 0 loses 1 before the last shift, which is what the other sign does.
Without one it rounds once, halves up, which FULLY_CONNECTED's rounding of a float64 equals unless
a product is half an integer below 0, or 31 bits of its scale are too few. Both are held against the
reference's steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_array, constant_of
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import (
    agreeing,
    rounded_once,
    rounded_twice,
    scales_of,
    sum_range,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.plan.layouts.rescaling import Staircase

    Array = npt.NDArray[Any]
    Int64Array = npt.NDArray[np.int64]
    Options = Mapping[str, int | str]

_BLOCK = 4  # rows
_TAPS = 3
_HALF = 1 << 14
_SUM_LIMIT = 2**29  # of what the kernel's products of 16 bits hold
_DROPPED = frozenset(
    {"output_zero_point", "output_min", "output_max", "multiplier_stride", "n_groups"}
    | {"filter_channels", "depth_multiplier", "depth", "units", "output_channels"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rescale:
    """The numbers of the form; one entry for each channel where they are arrays."""

    multiplier: Int64Array
    right: Int64Array
    half: int
    zero_point: int
    least: int
    greatest: int

    def outputs(self, sums: Int64Array) -> Int64Array:
        """(channels, n) sums -> outputs, as the kernel computes them."""
        half = np.where(sums < 0, -self.half, self.half) << 16
        high = sums * self.multiplier[:, None] + half >> 31
        scaled = (high >> self.right[:, None] - 1) + 2 * self.zero_point + 1 >> 1
        found: Int64Array = np.clip(scaled, self.least, self.greatest)
        return found


def pack(call: KernelCall, options: Options) -> KernelCall:
    """CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED on int8.

    NotPackable for sums from 2**29 on, scales from 1/2 on, and where one rounding is not exact.
    """
    del options
    fields = {name: int(value) for name, value in call.parameters}
    given = {constant.name: constant_array(constant) for constant in call.constants}
    weights = given["weights"]
    is_depthwise = call.op == "depthwise_conv_2d"
    rows = weights.reshape(-1, weights.shape[-1]).T if is_depthwise else weights
    rows = np.ascontiguousarray(rows.reshape(len(given["bias"]), -1))
    zero_point = fields.get("input_zero_point", 0)
    sums = sum_range(rows, given["bias"], zero_point)
    bias = given["bias"].astype(np.int64) - zero_point * rows.astype(np.int64).sum(axis=1)
    # Sums begin with the bias and go through all products with inputs as they are.
    whole = sum_range(rows, bias.clip(-(2**31), 2**31 - 1).astype(np.int32), 0)
    if min(sums.low.min(), whole.low.min()) <= -_SUM_LIMIT or (
        max(sums.high.max(), whole.high.max()) >= _SUM_LIMIT
    ):
        msg = "its sums need more than 30 bits"
        raise NotPackable(msg)
    form, reference = _rescale(given, fields, len(rows))
    if (form.right < 1).any():
        msg = "a channel's scale is 1/2 or more, and the kernel only shifts right"
        raise NotPackable(msg)
    wrong = np.flatnonzero(~agreeing(form.outputs, reference, sums))
    if wrong.size:
        msg = f"rounding once, halves up, is not exact for output channel {wrong[0]}"
        raise NotPackable(msg)
    records = np.stack([bias, form.multiplier, form.right - 1], axis=1)
    n_channels = len(rows)
    if is_depthwise:
        rows = _filled(rows, 1, -(-rows.shape[1] // _TAPS) * _TAPS)
    else:
        rows = _filled(rows, 0, max(n_channels, _BLOCK))
        records = _filled(records, 0, max(n_channels, _BLOCK))
    added = {
        "depth": rows.shape[1],
        "units" if call.op == "fully_connected" else "output_channels": n_channels,
        "block": min(n_channels, _BLOCK),
        "half": form.half,
        "rounding": 2 * form.zero_point + 1,
        "output_min": form.least,
        "output_max": form.greatest,
    }
    kept = [pair for pair in call.parameters if pair[0] not in _DROPPED | added.keys()]
    return replace(
        call,
        parameters=(*kept, *added.items()),
        constants=(constant_of("weights", rows), constant_of("records", records.astype(np.int32))),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The weights, the bias, and of a convolution the rescaling, as they were."""
    del options
    fields = {name: int(value) for name, value in packed.parameters}
    rows, records = (constant_array(constant) for constant in packed.constants)
    zero_point = fields.get("input_zero_point", 0)
    if packed.op == "depthwise_conv_2d":
        size = (fields["filter_h"], fields["filter_w"])
        rows = rows[:, : size[0] * size[1]]
        weights = np.ascontiguousarray(rows.T).reshape(1, *size, len(rows))
    elif packed.op == "conv_2d":
        records, rows = records[: fields["output_channels"]], rows[: fields["output_channels"]]
        shape = (len(rows), fields["filter_h"], fields["filter_w"], fields["input_channels"])
        weights = rows.reshape(shape)
    else:
        records, weights = records[: fields["units"]], rows[: fields["units"]]
        rows = weights
    bias = records[:, 0] + zero_point * rows.astype(np.int64).sum(axis=1)
    found = {"weights": weights, "bias": bias.astype(np.int32)}
    if packed.op != "fully_connected":
        found |= {"multiplier": records[:, 1], "shift": -1 - records[:, 2]}
    return found


def _rescale(
    given: Mapping[str, Array], fields: Mapping[str, int], n_channels: int
) -> tuple[_Rescale, Staircase]:
    """The form of the layer, and what it has to be equal to."""
    ends = (fields["output_zero_point"], fields["output_min"], fields["output_max"])
    if "multiplier_low" in given:
        scales = scales_of(given["multiplier"], given["multiplier_low"], given["shift"])
        scales = np.broadcast_to(scales, n_channels)
        fraction, exponent = np.frexp(scales)
        multiplier = np.minimum(np.rint(np.ldexp(fraction, 31)), 2.0**31 - 1).astype(np.int64)
        right, half = -exponent.astype(np.int64), 0
        reference = rounded_once(scales, *ends)
    else:
        multiplier = given["multiplier"].astype(np.int64)
        right, half = -given["shift"].astype(np.int64), _HALF
        reference = rounded_twice(given["multiplier"], given["shift"], *ends)
    form = _Rescale(
        multiplier=multiplier,
        right=right,
        half=half,
        zero_point=ends[0],
        least=ends[1],
        greatest=ends[2],
    )
    return form, reference


def _filled(values: Array, axis: int, extent: int) -> Array:
    """`values` with zeros behind them along one axis."""
    missing = [(0, extent - n if i == axis else 0) for i, n in enumerate(values.shape)]
    return np.pad(values, missing)
