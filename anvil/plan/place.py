"""Layouts found fast: blocks put one after the other at the lowest offset that is free."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from anvil.plan.layout import Blocks, Pair

# Trials, and how many pairs of blocks all of them may look at: a graph of hundreds of operators
# gets few, since each takes long and is unlikely to help.
_N_TRIALS = 300
_MOST_LOOKS = 500_000


def place(blocks: Blocks, pairs: Sequence[Pair], enough_bytes: int) -> tuple[int, ...]:
    """The best of several layouts, by block; stops at one of `enough_bytes`.

    The orders tried are the largest first and the last or first needed first, then random
    changes to the best one, which bring forward what lies at the top. The same blocks always
    give the same layout.
    """
    neighbours = _neighbours(pairs)
    numbers = range(len(blocks.blocks))
    orders = (
        sorted(numbers, key=lambda n: (-blocks.blocks[n].size_bytes, n)),
        sorted(numbers, key=lambda n: (-blocks.blocks[n].last_use, n)),
        sorted(numbers, key=lambda n: (blocks.blocks[n].first_use, n)),
    )
    best: tuple[int, list[int], tuple[int, ...]] | None = None
    for order in orders:
        offsets = _first_fit(blocks, neighbours, order)
        size = blocks.arena_bytes(offsets)
        if best is None or size < best[0]:
            best = (size, order, offsets)
    assert best is not None
    drawn = _draws()
    n_trials = min(_N_TRIALS, _MOST_LOOKS // max(1, len(pairs)))
    for _ in range(n_trials):
        size, order, offsets = best
        if size <= enough_bytes:
            break
        changed = list(order)
        top = [n for n in numbers if offsets[n] + blocks.blocks[n].size_bytes == size]
        movable = top if next(drawn) % 2 else numbers
        moved = movable[next(drawn) % len(movable)]
        changed.remove(moved)
        changed.insert(next(drawn) % len(order), moved)
        offsets = _first_fit(blocks, neighbours, changed)
        # Equal is taken too, to get off a plateau.
        if blocks.arena_bytes(offsets) <= size:
            best = (blocks.arena_bytes(offsets), changed, offsets)
    return best[2]


def _draws() -> Iterator[int]:
    """Numbers without a pattern, the same on every machine and with every Python."""
    state = 1
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state >> 16  # the low bits repeat soon


# Another block, and between which offsets from its own a block may not start.
_Taken = tuple[int, int, int]


def _neighbours(pairs: Iterable[Pair]) -> dict[int, list[_Taken]]:
    """For each block the others it meets, and where beside them it may not start."""
    found: dict[int, list[_Taken]] = defaultdict(list)
    for pair in pairs:
        for block, other, below, above in (
            (pair.first, pair.second, pair.up_bytes, pair.down_bytes),
            (pair.second, pair.first, pair.down_bytes, pair.up_bytes),
        ):
            if pair.in_place:  # on both sides of the same start
                found[block] += [(other, -below, 0), (other, 0, above)]
            else:
                found[block].append((other, -below, above))
    return found


def _first_fit(
    blocks: Blocks, neighbours: dict[int, list[_Taken]], order: Sequence[int]
) -> tuple[int, ...]:
    offsets: dict[int, int] = {}
    for number in order:
        alignment = blocks.blocks[number].alignment_bytes
        taken = sorted(
            (offsets[other] + start, offsets[other] + end)
            for other, start, end in neighbours[number]
            if other in offsets
        )
        offset = 0
        for start, end in taken:  # free are offsets up to `start` and from `end`
            if start < offset < end:
                offset = -(-end // alignment) * alignment
        offsets[number] = offset
    return tuple(offsets[number] for number in range(len(order)))
