"""Weights in blocks of channels: where each goes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from anvil.plan.layouts.channel_blocks import (
    blocks,
    from_blocks,
    from_rows_of_steps,
    rows_of_steps,
)


def test_a_block_holds_the_same_step_of_its_channels() -> None:
    weights = np.arange(1, 16, dtype=np.int8).reshape(3, 5)
    packed = blocks(weights, channels=2, depth=4)
    assert packed.tolist() == [
        [[[1, 2, 3, 4], [6, 7, 8, 9]], [[5, 0, 0, 0], [10, 0, 0, 0]]],
        [[[11, 12, 13, 14], [0, 0, 0, 0]], [[15, 0, 0, 0], [0, 0, 0, 0]]],
    ]


def test_each_row_of_a_window_starts_a_step() -> None:
    weights = np.arange(1, 13, dtype=np.int8).reshape(1, 2, 3, 2)
    assert rows_of_steps(weights, depth=4).tolist() == [
        [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0]
    ]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (8, 3, 3, 4), (9, 10, 4, 1), (17, 1, 5, 3)])
@pytest.mark.parametrize("block", [(8, 4), (4, 2), (2, 1)])
def test_back_again(shape: tuple[int, int, int, int], block: tuple[int, int]) -> None:
    weights = np.random.default_rng(5).integers(-128, 128, shape, dtype=np.int8)
    rows = rows_of_steps(weights, block[1])
    packed = blocks(rows, *block)
    assert packed.shape[2:] == block
    assert packed.dtype == np.int8
    again = from_rows_of_steps(from_blocks(packed, *rows.shape), *shape[1:])
    np.testing.assert_array_equal(again, weights)
