"""Blocks -> the smallest layout that is found, and the bound that is proved."""

from __future__ import annotations

from functools import cache

from anvil.plan.bound import live_bytes, refuted_up_to
from anvil.plan.layout import Blocks, Layout
from anvil.plan.place import place
from anvil.plan.solver import solve


@cache  # targets with the same kernels ask the same question
def arrange(blocks: Blocks) -> Layout:
    """Place `blocks`: what is fast first, the solver where that leaves a gap.

    >>> from anvil.plan.layout import Block, Overlap
    >>> source = Block(size_bytes=8, alignment_bytes=1, first_use=0, last_use=1)
    >>> output = Block(size_bytes=5, alignment_bytes=1, first_use=1, last_use=2)
    >>> arrange(Blocks(blocks=(source, output), overlaps=())).arena_bytes
    13
    >>> above = Overlap(output=1, source=0, distance_bytes=2)
    >>> arrange(Blocks(blocks=(source, output), overlaps=(above,)))
    Layout(offsets=(2, 0), arena_bytes=10, lower_bound_bytes=10)
    """
    pairs = blocks.pairs()
    bound = live_bytes(blocks)
    offsets = place(blocks, pairs, bound)
    if blocks.arena_bytes(offsets) > bound:
        bound = refuted_up_to(blocks, pairs, bound, blocks.arena_bytes(offsets))
    if blocks.arena_bytes(offsets) > bound:
        offsets, bound = solve(blocks, pairs, offsets, bound)
    return Layout(offsets=offsets, arena_bytes=blocks.arena_bytes(offsets), lower_bound_bytes=bound)
