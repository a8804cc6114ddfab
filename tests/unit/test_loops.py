from __future__ import annotations

import itertools

import numpy as np
import pytest

from anvil.ops.broadcast import broadcast_loops, broadcast_shape
from anvil.ops.loops import Loop, fuse, loop_table, n_rows, row_major_strides


def offsets(loops: tuple[Loop, ...], tensor: int) -> list[int]:
    """What a kernel visits: each loop's index times its stride, outermost first."""
    steps = [
        range(0, loop.extent * s, s) if (s := loop.strides[tensor]) else [0] * loop.extent
        for loop in loops
    ]
    return [sum(step) for step in itertools.product(*steps)]


@pytest.mark.parametrize("seed", range(60))
def test_fused_loops_visit_what_numpy_broadcasts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    extents = rng.integers(1, 4, rng.integers(0, 7))
    shapes = []
    for _ in range(2):
        kept = np.where(rng.random(len(extents)) < 0.4, 1, extents)
        shapes.append(tuple(kept[rng.integers(0, len(extents) + 1) :].tolist()))
    output = np.broadcast_shapes(*shapes)
    assert broadcast_shape(shapes[0], shapes[1]) == output
    loops = broadcast_loops(shapes[0], shapes[1], output)
    for tensor, shape in enumerate(shapes):
        indices = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        assert offsets(loops, tensor) == np.broadcast_to(indices, output).ravel().tolist()


def test_shapes_that_do_not_go_together_have_no_result() -> None:
    assert broadcast_shape((2, 3), (3, 2)) is None
    assert broadcast_shape((2,), (3,)) is None


def test_equal_shapes_are_one_loop() -> None:
    loops = broadcast_loops((2, 3, 5), (2, 3, 5), (2, 3, 5))
    assert loops == (Loop(extent=30, strides=(1, 1)),)


def test_a_channel_vector_is_two_loops() -> None:
    loops = broadcast_loops((2, 3, 5), (5,), (2, 3, 5))
    assert loops == (Loop(extent=6, strides=(5, 0)), Loop(extent=5, strides=(1, 1)))
    assert n_rows(loops) == 6


def test_nothing_to_loop_over_is_one_loop_of_one() -> None:
    assert fuse([]) == (Loop(extent=1, strides=(0,)),)
    assert fuse([Loop(extent=1, strides=(7, 9))], 2) == (Loop(extent=1, strides=(0, 0)),)


def test_a_table_has_a_row_per_loop() -> None:
    loops = fuse(
        [
            Loop(extent=extent, strides=(2 * stride,))
            for extent, stride in zip((4, 3), row_major_strides((4, 3)), strict=True)
        ]
    )
    table = loop_table("loops", loops)
    assert (table.name, table.dtype, table.shape) == ("loops", "int32", (1, 2))
    assert np.frombuffer(table.data, "<i4").tolist() == [12, 2]
