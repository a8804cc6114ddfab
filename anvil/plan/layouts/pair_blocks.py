"""int8 weights in pairs of products for blocks of channels, with rescaling in float64.

For i32x4.dot_i16x8 of WebAssembly. Constants of the packed call, filled up to whole blocks:

    weights     int8 (blocks, pairs, channels, 2), see channel_blocks
    bias        int32, with the input's zero point in it, so that activations are taken as they
                are and taps outside of the image read the zero point
    scale       float64, see float_rescale
    away        float64

The products of a channel are in the order of its window, depthwise as otherwise. Options: the
channels of a block; `rows`: each row of a window is in whole pairs; `columns`, depthwise: two rows
of a column are a pair, column by column.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.channel_blocks import (
    blocks,
    from_blocks,
    from_rows_of_steps,
    rows_of_steps,
)
from anvil.plan.layouts.float_rescale import (
    Target,
    away_of,
    double_precision,
    scales_of_fixed_point,
)
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import rounded_once, rounded_twice, scales_of, sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall
    from anvil.plan.layouts.rescaling import SumRange

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_PAIR = 2


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of conv_2d, depthwise_conv_2d or fully_connected with its constants in blocks.

    Raises NotPackable where float64 cannot rescale a channel as the reference does.
    """
    given = {constant.name: _array(constant) for constant in call.constants}
    flat = _flat(call, given["weights"])
    zero_point = _zero_point(call)
    sums = sum_range(flat, given["bias"], zero_point)
    if call.op == "fully_connected":
        target, scales = _rounding_once(call, given, sums)
        aways = np.zeros_like(scales)
    else:
        target, scales = _rounding_twice(call, given, sums)
        aways = away_of(given["shift"])
    form = double_precision(target, scales, aways)
    size = int(options["channels"])
    products = flat
    if options.get("rows"):
        products = rows_of_steps(given["weights"], _PAIR)
    elif options.get("columns"):
        products = _by_column(given["weights"][0])
    return replace(
        call,
        constants=(
            constant_of("weights", blocks(products, size, _PAIR)),
            constant_of("bias", _filled(_moved(given["bias"], flat, -zero_point), size)),
            constant_of("scale", _filled(form.scale, size)),
            constant_of("away", _filled(form.away, size)),
        ),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The weights and biases, and what the scales were made from.

    Of FULLY_CONNECTED one scale for each unit, multiplier_low included.
    """
    fields: dict[str, Any] = dict(packed.parameters)
    given = {constant.name: _array(constant) for constant in packed.constants}
    shape = _shape(packed)
    n_channels = shape[-1] if packed.op == "depthwise_conv_2d" else shape[0]
    if options.get("rows"):
        n_products = given["weights"].shape[1] * _PAIR
        rows = from_blocks(given["weights"], n_channels, n_products)
        flat = _flat(packed, from_rows_of_steps(rows, *shape[1:]))
    elif options.get("columns"):
        n_products = given["weights"].shape[1] * _PAIR
        flat = _from_columns(from_blocks(given["weights"], n_channels, n_products), *shape[1:3])
    else:
        flat = from_blocks(given["weights"], n_channels, int(np.prod(shape)) // n_channels)
    weights = flat.T if packed.op == "depthwise_conv_2d" else flat
    bias = _moved(given["bias"][:n_channels], flat, _zero_point(packed))
    fractions, exponents = np.frexp(given["scale"][:n_channels])
    found = {"weights": weights.reshape(shape), "bias": bias, "shift": exponents.astype(np.int32)}
    if packed.op != "fully_connected":
        found["multiplier"] = (fractions * 2.0**31).astype(np.int32)
        return found
    mantissas = (fractions * 2.0**62).astype(np.int64)
    found["multiplier"] = (mantissas >> 31).astype(np.int32)
    found["multiplier_low"] = (mantissas % 2**31).astype(np.int32)
    if not fields["multiplier_stride"]:
        names = ("multiplier", "multiplier_low", "shift")
        found |= {name: found[name][:1] for name in names}
    return found


def _rounding_twice(
    call: KernelCall, given: Mapping[str, Array], sums: SumRange
) -> tuple[Target, npt.NDArray[np.float64]]:
    if not sums.fits_after(given["shift"]):
        msg = "sums wrap around when they are shifted left"
        raise NotPackable(msg)
    bounds = _bounds(call)
    staircase = rounded_twice(given["multiplier"], given["shift"], *bounds)
    scales = scales_of_fixed_point(given["multiplier"], given["shift"])
    return _target(staircase, sums, bounds), scales


def _rounding_once(
    call: KernelCall, given: Mapping[str, Array], sums: SumRange
) -> tuple[Target, npt.NDArray[np.float64]]:
    bounds = _bounds(call)
    each = scales_of(given["multiplier"], given["multiplier_low"], given["shift"])
    scales = np.broadcast_to(each, len(sums.low)).copy()
    return _target(rounded_once(scales, *bounds), sums, bounds), scales


def _target(staircase: Any, sums: SumRange, bounds: tuple[int, int, int]) -> Target:  # noqa: ANN401
    zero_point, least, greatest = bounds
    return Target(
        staircase=staircase, sums=sums, zero_point=zero_point, least=least, greatest=greatest
    )


def _bounds(call: KernelCall) -> tuple[int, int, int]:
    fields: dict[str, Any] = dict(call.parameters)
    return (
        int(fields["output_zero_point"]),
        int(fields["output_min"]),
        int(fields["output_max"]),
    )


def _zero_point(call: KernelCall) -> int:
    """Of the input; FULLY_CONNECTED's bias holds it already."""
    return int(dict(call.parameters).get("input_zero_point", 0))


def _shape(call: KernelCall) -> tuple[int, ...]:
    """Of the weights as they were: OHWI, 1HWC, or units and depth."""
    fields: dict[str, Any] = dict(call.parameters)
    if call.op == "fully_connected":
        return (fields["units"], fields["depth"])
    window = (fields["filter_h"], fields["filter_w"])
    if call.op == "depthwise_conv_2d":
        return (1, *window, fields["input_channels"] * fields["depth_multiplier"])
    return (fields["output_channels"], *window, fields["filter_channels"])


def _flat(call: KernelCall, weights: Array) -> Array:
    """Weights as (output channels, products of one sum)."""
    if call.op == "depthwise_conv_2d":
        return weights.reshape(-1, weights.shape[-1]).T
    return weights.reshape(len(weights), -1)


def _by_column(weights: Array) -> Array:
    """HWC weights as (channels, products): of two rows column by column, then of the next two."""
    filter_h, filter_w, n_channels = weights.shape
    even = np.zeros((filter_h + filter_h % 2, filter_w, n_channels), weights.dtype)
    even[:filter_h] = weights
    pairs = even.reshape(-1, _PAIR, filter_w, n_channels).transpose(3, 0, 2, 1)
    return np.ascontiguousarray(pairs).reshape(n_channels, -1)


def _from_columns(products: Array, filter_h: int, filter_w: int) -> Array:
    """(channels, products) in the order of the window from what `_by_column` made."""
    pairs = products.reshape(len(products), -1, filter_w, _PAIR).transpose(0, 1, 3, 2)
    rows = np.ascontiguousarray(pairs).reshape(len(products), -1, filter_w)
    return np.ascontiguousarray(rows[:, :filter_h]).reshape(len(products), -1)


def _moved(bias: Array, flat: Array, by: int) -> Array:
    """Biases and `by` times the sum of each channel's weights; wraps around."""
    sums = flat.astype(np.int64).sum(axis=1)
    biases: Array = (bias.astype(np.int64) + by * sums).astype(np.int32)
    return biases


def _filled(values: Array, size: int) -> Array:
    """`values` with zeros up to a multiple of `size`."""
    longer = np.zeros(-(-len(values) // size) * size, values.dtype)
    longer[: len(values)] = values
    return longer


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)
