"""int8 CONV_2D and FULLY_CONNECTED for kernels that multiply unsigned activations by weights.

Activations have 128 added to them, sums 2^31; the biases make up for both and for the input's
zero point, which is what lies outside of the image. Constants of the packed call, filled up to
whole blocks of `channels`:

    weights     int8 (blocks, steps, channels, depth), see channel_blocks
    bias        int32
    multiplier  uint32 in an int32
    rounding    int64, of each block first the even channels and then the odd ones
    shift       int32

Options: channels and depth of a block. The windows of a convolution are in whole steps by row, or
by tap where taps are apart.
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
from anvil.plan.layouts.rescaling import sum_range
from anvil.plan.layouts.wide_rescale import (
    SIGN,
    Scales,
    WideRescale,
    rounding_once,
    rounding_twice,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_UNSIGNED = 128  # what is added to activations


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of conv_2d or fully_connected with its constants in blocks.

    Raises NotPackable where the rescaling of a channel cannot be exact.
    """
    fields = dict(call.parameters)
    given = {constant.name: array_of_constant(constant) for constant in call.constants}
    n_channels = len(given["bias"])
    flat = given["weights"].reshape(n_channels, -1)
    bounds = (
        int(fields["output_zero_point"]),
        int(fields["output_min"]),
        int(fields["output_max"]),
    )
    if call.op == "fully_connected":
        zero_point = 0  # the bias holds it already
        sums = sum_range(flat, given["bias"], zero_point)
        rescale = rounding_once(_scales(given, n_channels), sums, *bounds)
    else:
        zero_point = int(fields["input_zero_point"])
        sums = sum_range(flat, given["bias"], zero_point)
        rescale = rounding_twice(given["multiplier"], given["shift"], sums)
    size, depth = int(options["channels"]), int(options["depth"])
    packed = blocks(_rows(call, given["weights"], depth), size, depth)
    return replace(
        call,
        constants=(
            constant_of("weights", packed),
            constant_of("bias", filled(moved(given["bias"], flat, zero_point, 1), size)),
            *rescale_constants(rescale, size),
        ),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The weights and biases, and of the scales multiplier and shift.

    multiplier_low of FULLY_CONNECTED is not kept: it has been proved not to matter.
    """
    fields = dict(packed.parameters)
    given = {constant.name: array_of_constant(constant) for constant in packed.constants}
    n_channels = int(fields["units" if packed.op == "fully_connected" else "output_channels"])
    if packed.op == "fully_connected":
        rows = from_blocks(given["weights"], n_channels, int(fields["depth"]))
        weights, zero_point = rows, 0
    else:
        filter_h, filter_w, filter_channels = _window(packed)
        n_products = filter_w * filter_channels
        depth = int(options["depth"])
        padded = filter_h * -(-n_products // depth) * depth
        rows = from_blocks(given["weights"], n_channels, padded)
        weights = from_rows_of_steps(rows, filter_h, filter_w, filter_channels).reshape(
            n_channels, int(fields["filter_h"]), int(fields["filter_w"]), filter_channels
        )
        zero_point = int(fields["input_zero_point"])
    flat = weights.reshape(n_channels, -1)
    return {
        "weights": weights,
        "bias": moved(given["bias"][:n_channels], flat, zero_point, -1),
        "multiplier": (given["multiplier"].view(np.uint32) // 2).astype(np.int32)[:n_channels],
        "shift": -given["shift"][:n_channels],
    }


def rescale_constants(rescale: WideRescale, size: int) -> tuple[Constant, ...]:
    """The last three constants, of blocks of `size` channels."""
    rounding = filled(rescale.rounding, size).reshape(-1, size // 2, 2)
    return (
        constant_of(
            "multiplier", filled(rescale.multiplier.astype(np.uint32).view(np.int32), size)
        ),
        constant_of("rounding", np.ascontiguousarray(rounding.transpose(0, 2, 1)).reshape(-1)),
        constant_of("shift", filled(rescale.shift, size)),
    )


def array_of_constant(constant: Constant) -> Array:
    """The array of a kernel call's constant."""
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)


def moved(bias: Array, flat: Array, zero_point: int, direction: int) -> Array:
    """Biases with (1) or without (-1) what the kernel's unsigned arithmetic adds; wraps around."""
    added = SIGN - (zero_point + _UNSIGNED) * flat.astype(np.int64).sum(axis=1)
    biases: Array = (bias.astype(np.int64) + direction * added).astype(np.int32)
    return biases


def filled(values: Array, size: int) -> Array:
    """`values` with zeros up to a multiple of `size`."""
    longer = np.zeros(-(-len(values) // size) * size, values.dtype)
    longer[: len(values)] = values
    return longer


def _scales(given: Mapping[str, Array], n_channels: int) -> Scales:
    names = ("multiplier", "multiplier_low", "shift")
    return Scales(**{name: np.broadcast_to(given[name], n_channels) for name in names})


def _window(call: KernelCall) -> tuple[int, int, int]:
    """Height and width of what lies together in rows, and its channels."""
    fields = dict(call.parameters)
    if call.op == "fully_connected":
        return 1, 1, int(fields["depth"])
    filter_h, filter_w = int(fields["filter_h"]), int(fields["filter_w"])
    channels = int(fields["filter_channels"])
    if fields["dilation_w"] == 1:
        return filter_h, filter_w, channels
    return filter_h * filter_w, 1, channels


def _rows(call: KernelCall, weights: Array, depth: int) -> Array:
    return rows_of_steps(weights.reshape(len(weights), *_window(call)), depth)
