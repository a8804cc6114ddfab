"""What no layout of given blocks can do without."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.plan.layout import Block, Blocks, Pair

# Two blocks that push each other up by a byte at a time would go on for long.
_MOST_ROUNDS = 100


def live_bytes(blocks: Blocks) -> int:
    """The largest amount of memory that is in use during one call.

    What an output can share with the inputs that it may lie over is counted once.
    """
    shares: dict[int, list[tuple[int, int]]] = defaultdict(list)  # output -> sources, bytes
    for overlap in blocks.overlaps:
        source, output = blocks.blocks[overlap.source], blocks.blocks[overlap.output]
        above = output.size_bytes - max(0, overlap.distance_bytes)
        share = max(0, min(above, source.size_bytes))
        if overlap.in_place:
            share = min(output.size_bytes, source.size_bytes)
        shares[overlap.output].append((overlap.source, share))

    def needed(time: int) -> int:
        live = {n for n, b in enumerate(blocks.blocks) if b.first_use <= time <= b.last_use}
        return sum(
            blocks.blocks[number].size_bytes
            - min(
                blocks.blocks[number].size_bytes,
                sum(share for source, share in shares[number] if source in live),
            )
            for number in live
        )

    times = {time for block in blocks.blocks for time in (block.first_use, block.last_use)}
    return max(map(needed, times), default=0)


def is_refuted(blocks: Sequence[Block], pairs: Sequence[Pair], arena_bytes: int) -> bool:
    """Whether it is certain that no layout has `arena_bytes`; False where that is not known.

    Where one of two blocks cannot stand above the other any more, the other must stand above
    it, and that narrows where both can be.
    """
    lowest = [0] * len(blocks)
    highest = [_down(arena_bytes - b.size_bytes, b.alignment_bytes) for b in blocks]
    if min(highest, default=0) < 0:
        return True
    alignments = [block.alignment_bytes for block in blocks]

    def stack(low: int, high: int, distance: int) -> bool:
        """Keep `high` so far above `low`; whether that changed anything."""
        start = -_down(-(lowest[low] + distance), alignments[high])
        end = _down(highest[high] - distance, alignments[low])
        changed = start > lowest[high] or end < highest[low]
        lowest[high], highest[low] = max(lowest[high], start), min(highest[low], end)
        return changed

    for _ in range(_MOST_ROUNDS):
        changed = False
        for pair in pairs:
            first, second = pair.first, pair.second
            if pair.in_place and max(lowest[first], lowest[second]) <= min(
                highest[first], highest[second]
            ):
                continue
            may_go_up = lowest[first] + pair.up_bytes <= highest[second]
            may_go_down = lowest[second] + pair.down_bytes <= highest[first]
            if may_go_up and may_go_down:
                continue
            if may_go_up:
                changed |= stack(first, second, pair.up_bytes)
            elif may_go_down:
                changed |= stack(second, first, pair.down_bytes)
            else:
                return True
        if not changed:
            break
    return False


def refuted_up_to(blocks: Blocks, pairs: Sequence[Pair], least: int, most: int) -> int:
    """The smallest arena from `least` to `most` that is not refuted; `most` where all are."""
    low, high = least, most
    while low < high:
        middle = (low + high) // 2
        if is_refuted(blocks.blocks, pairs, middle):
            low = middle + 1
        else:
            high = middle
    return low


def _down(value: int, alignment: int) -> int:
    return value // alignment * alignment
