"""int8 CONV_2D and FULLY_CONNECTED for kernels that multiply unsigned activations by weights.

Activations have 128 added to them; the biases make up for it and for the input's zero point,
which is what lies outside of the image. Constants of the packed call, filled up to whole blocks of
`channels`:

    weights     int8 (blocks, steps, channels, depth), see channel_blocks
    bias        int32
    rescale     int32 (blocks, rows, channels), see byte_rescale

Parameters that are added: form, of rescaling; fits_pairs, see there.

Options: channels and depth of a block. The windows of a convolution are in whole steps by row, or
by tap where taps are apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anvil.ops.arrays import constant_of
from anvil.plan.layouts.byte_rescale import (
    array_of_constant,
    byte_rescale,
    fits_pairs,
    original_bias,
    rescale_arrays,
)
from anvil.plan.layouts.channel_blocks import (
    blocks,
    from_blocks,
    from_rows_of_steps,
    rows_of_steps,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of conv_2d or fully_connected with its constants in blocks.

    Raises NotPackable where the rescaling of a channel cannot be exact.
    """
    given = {constant.name: array_of_constant(constant) for constant in call.constants}
    flat = given["weights"].reshape(len(given["bias"]), -1)
    size, depth = int(options["channels"]), int(options["depth"])
    rescale = byte_rescale(call, flat, size)
    packed = blocks(_rows(call, given["weights"], depth), size, depth)
    return replace(
        call,
        parameters=(
            *call.parameters,
            ("form", int(rescale.form)),
            ("fits_pairs", fits_pairs(packed)),
        ),
        constants=(constant_of("weights", packed), *rescale.constants),
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """The weights and biases, and where sums are rescaled in integers multiplier and shift.

    In floating point these are gone: it has been proved not to matter. So has multiplier_low of
    FULLY_CONNECTED.
    """
    fields = dict(packed.parameters)
    given = {constant.name: array_of_constant(constant) for constant in packed.constants}
    n_channels = int(fields["units" if packed.op == "fully_connected" else "output_channels"])
    if packed.op == "fully_connected":
        weights = from_blocks(given["weights"], n_channels, int(fields["depth"]))
    else:
        filter_h, filter_w, filter_channels = _window(packed)
        n_products = filter_w * filter_channels
        depth = int(options["depth"])
        padded = filter_h * -(-n_products // depth) * depth
        rows = from_blocks(given["weights"], n_channels, padded)
        weights = from_rows_of_steps(rows, filter_h, filter_w, filter_channels).reshape(
            n_channels, int(fields["filter_h"]), int(fields["filter_w"]), filter_channels
        )
    return {
        "weights": weights,
        "bias": original_bias(packed, weights.reshape(n_channels, -1)),
        **rescale_arrays(packed, n_channels),
    }


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
