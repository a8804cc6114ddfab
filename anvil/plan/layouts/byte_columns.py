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
from anvil.plan.layouts.byte_rescale import (
    array_of_constant,
    byte_rescale,
    fits_pairs,
    original_bias,
    rescale_arrays,
)
from anvil.plan.layouts.channel_blocks import blocks, from_blocks

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
    size, depth = int(options["channels"]), int(options["depth"])
    weights = array_of_constant(call.constants[0])
    _, filter_h, filter_w, n_channels = weights.shape
    rescale = byte_rescale(call, weights.reshape(-1, n_channels).T, size)
    n_groups = -(-filter_h // depth)
    columns = np.zeros((n_channels, filter_w, n_groups * depth), np.int8)
    columns[:, :, :filter_h] = weights[0].transpose(2, 1, 0)
    by_group = columns.reshape(n_channels, filter_w, n_groups, depth).transpose(0, 2, 1, 3)
    packed = blocks(by_group.reshape(n_channels, -1), size, depth)
    # A kernel may slide the weights of a group by some rows.
    fits = fits_pairs(packed) and fits_pairs(packed[..., 1:-1])
    return replace(
        call,
        parameters=(*call.parameters, ("form", int(rescale.form)), ("fits_pairs", int(fits))),
        constants=(
            constant_of("weights", packed.reshape(-1, n_groups, filter_w, size, depth)),
            *rescale.constants,
        ),
    )


def unpack(packed: KernelCall, _options: Options) -> dict[str, Array]:
    """As byte_blocks does."""
    fields = dict(packed.parameters)
    given = array_of_constant(packed.constants[0])
    n_channels, filter_h = int(fields["input_channels"]), int(fields["filter_h"])
    _, n_groups, filter_w, size, depth = given.shape
    steps = given.reshape(-1, n_groups * filter_w, size, depth)
    flat = from_blocks(steps, n_channels, n_groups * filter_w * depth)
    by_group = flat.reshape(n_channels, n_groups, filter_w, depth).transpose(0, 2, 1, 3)
    columns = by_group.reshape(n_channels, filter_w, -1)[:, :, :filter_h]
    weights = np.ascontiguousarray(columns.transpose(2, 1, 0))[None]
    return {
        "weights": weights,
        "bias": original_bias(packed, weights.reshape(-1, n_channels).T),
        **rescale_arrays(packed, n_channels),
    }
