"""int8 DEPTHWISE_CONV_2D for kernels that multiply columns of unsigned activations by weights.

As byte_blocks, but a step is `depth` rows of one column of each channel's window:

    weights     int8 (blocks, groups of depth rows, filter_w, channels, depth)

Options: channels and depth of a block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.plan.layouts.byte_blocks import array_of_constant, filled, moved, rescale_constants
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.rescaling import sum_range
from anvil.plan.layouts.wide_rescale import rounding_twice

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` with its constants in blocks.

    Raises NotPackable where the rescaling of a channel cannot be exact.
    """
    zero_point = int(dict(call.parameters)["input_zero_point"])
    size, depth = int(options["channels"]), int(options["depth"])
    given = {constant.name: array_of_constant(constant) for constant in call.constants}
    _, filter_h, filter_w, n_channels = given["weights"].shape
    flat = given["weights"].reshape(-1, n_channels).T
    rescale = rounding_twice(
        given["multiplier"], given["shift"], sum_range(flat, given["bias"], zero_point)
    )
    n_groups = -(-filter_h // depth)
    columns = np.zeros((n_channels, filter_w, n_groups * depth), np.int8)
    columns[:, :, :filter_h] = given["weights"][0].transpose(2, 1, 0)
    by_group = columns.reshape(n_channels, filter_w, n_groups, depth).transpose(0, 2, 1, 3)
    packed = blocks(by_group.reshape(n_channels, -1), size, depth)
    return replace(
        call,
        constants=(
            constant_of("weights", packed.reshape(-1, n_groups, filter_w, size, depth)),
            constant_of("bias", filled(moved(given["bias"], flat, zero_point, 1), size)),
            *rescale_constants(rescale, size),
        ),
    )


def unpack(packed: KernelCall, _options: Options) -> dict[str, Array]:
    """All constants as they were."""
    fields = dict(packed.parameters)
    given = {constant.name: array_of_constant(constant) for constant in packed.constants}
    n_channels, filter_h = int(fields["input_channels"]), int(fields["filter_h"])
    _, n_groups, filter_w, size, depth = given["weights"].shape
    steps = given["weights"].reshape(-1, n_groups * filter_w, size, depth)
    flat = from_blocks(steps, n_channels, n_groups * filter_w * depth)
    by_group = flat.reshape(n_channels, n_groups, filter_w, depth).transpose(0, 2, 1, 3)
    columns = by_group.reshape(n_channels, filter_w, -1)[:, :, :filter_h]
    weights = np.ascontiguousarray(columns.transpose(2, 1, 0))[None]
    of_channel = weights.reshape(-1, n_channels).T
    zero_point = int(fields["input_zero_point"])
    return {
        "weights": weights,
        "bias": moved(given["bias"][:n_channels], of_channel, zero_point, -1),
        "multiplier": (given["multiplier"].view(np.uint32) // 2).astype(np.int32)[:n_channels],
        "shift": -given["shift"][:n_channels],
    }
