"""Nested loops over strided tensors, fused as far as their strides allow.

Kernels for tensors of any rank take a table of loops (kernels/common/loops.h) instead of
a shape: most uses come down to one or two loops, which are then as fast as a kernel
written for that rank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.arrays import constant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.plan import Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One loop; a step of it moves each tensor's pointer by that tensor's stride."""

    extent: int
    strides: tuple[int, ...]  # elements, one per tensor; 0 repeats the element


def row_major_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements between neighbours along each axis.

    >>> row_major_strides((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def fuse(loops: Sequence[Loop], n_tensors: int = 1) -> tuple[Loop, ...]:
    """At least one loop, outermost first, that visit the same elements in the same order.

    A loop of extent 1 goes away, and two neighbours become one where stepping the outer
    one is the same as running the inner one to its end. Each loop has `n_tensors` strides.

    >>> fuse([Loop(extent=2, strides=(12, 0)), Loop(extent=3, strides=(4, 0))], 2)
    (Loop(extent=6, strides=(4, 0)),)
    """
    fused: list[Loop] = []
    for loop in loops:
        if loop.extent == 1:
            continue
        if fused and fused[-1].strides == tuple(loop.extent * s for s in loop.strides):
            fused[-1] = Loop(extent=fused[-1].extent * loop.extent, strides=loop.strides)
        else:
            fused.append(loop)
    if not fused:
        fused.append(Loop(extent=1, strides=(0,) * n_tensors))
    return tuple(fused)


def n_rows(loops: Sequence[Loop]) -> int:
    """How often the innermost loop runs."""
    return math.prod(loop.extent for loop in loops[:-1])


def loop_table(name: str, loops: Sequence[Loop]) -> Constant:
    """The loops as an int32 constant: one row per loop, outermost first, {extent, strides...}."""
    rows = [(loop.extent, *loop.strides) for loop in loops]
    return constant_of(name, np.array(rows, dtype=np.int32))
