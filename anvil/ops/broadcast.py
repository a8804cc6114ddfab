"""Broadcasting of two operands, as NumPy and TFLite define it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.ops.loops import Loop, fuse, row_major_strides

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_RANK = 8  # of TFLite's reference kernels when they broadcast


def broadcast_shape(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...] | None:
    """The shape of the result; None where the two do not go together.

    >>> broadcast_shape((4, 1, 3), (5, 1))
    (4, 5, 3)
    """
    rank = max(len(first), len(second))
    pairs = zip(_extended(first, rank), _extended(second, rank), strict=True)
    extents = []
    for one, other in pairs:
        if one != other and 1 not in {one, other}:
            return None
        extents.append(other if one == 1 else one)
    return tuple(extents)


def broadcast_loops(
    first: Sequence[int], second: Sequence[int], output: Sequence[int]
) -> tuple[Loop, ...]:
    """The loops over `output`, row-major, with the strides of both operands."""
    rank = len(output)
    strides = [
        tuple(
            0 if extent == 1 else stride
            for extent, stride in zip(shape, row_major_strides(shape), strict=True)
        )
        for shape in (_extended(first, rank), _extended(second, rank))
    ]
    loops = [
        Loop(extent=extent, strides=(one, other))
        for extent, one, other in zip(output, *strides, strict=True)
    ]
    return fuse(loops, 2)


def _extended(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)
