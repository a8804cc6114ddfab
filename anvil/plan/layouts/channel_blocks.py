"""Weights in blocks of output channels, so that one vector holds the same taps of a block.

    (channels, products) -> (blocks, steps, CHANNELS, DEPTH)

A step is what one multiply-accumulate instruction takes: DEPTH neighbouring products of each of
CHANNELS output channels. Channels and products that fill up the last block and the last step have
weight 0, so that whatever they are multiplied with does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def blocks(weights: Array, channels: int, depth: int) -> Array:
    """`weights` (output channels, products) as (blocks, steps, channels, depth)."""
    n_channels, n_products = weights.shape
    n_blocks, n_steps = -(-n_channels // channels), -(-n_products // depth)
    filled = np.zeros((n_blocks * channels, n_steps * depth), weights.dtype)
    filled[:n_channels, :n_products] = weights
    by_step = filled.reshape(n_blocks, channels, n_steps, depth)
    return np.ascontiguousarray(by_step.transpose(0, 2, 1, 3))


def from_blocks(packed: Array, n_channels: int, n_products: int) -> Array:
    """What `blocks` made `packed` from."""
    n_blocks, n_steps, channels, depth = packed.shape
    filled = packed.transpose(0, 2, 1, 3).reshape(n_blocks * channels, n_steps * depth)
    return np.ascontiguousarray(filled[:n_channels, :n_products])


def rows_of_steps(weights: Array, depth: int) -> Array:
    """OHWI `weights` as (output channels, products), each row of a window in whole steps.

    A kernel then reads each row of a window where it lies in the image, without copying it.
    """
    n_channels, filter_h, filter_w, filter_channels = weights.shape
    n_products = filter_w * filter_channels
    filled = np.zeros((n_channels, filter_h, -(-n_products // depth) * depth), weights.dtype)
    filled[:, :, :n_products] = weights.reshape(n_channels, filter_h, n_products)
    return filled.reshape(n_channels, -1)


def from_rows_of_steps(rows: Array, filter_h: int, filter_w: int, filter_channels: int) -> Array:
    """What `rows_of_steps` made `rows` from."""
    n_products = filter_w * filter_channels
    filled = rows.reshape(len(rows), filter_h, -1)[:, :, :n_products]
    return filled.reshape(len(rows), filter_h, filter_w, filter_channels)
