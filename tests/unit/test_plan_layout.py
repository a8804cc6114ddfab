"""Layouts of few blocks, against every one that there can be."""

from __future__ import annotations

import itertools
import random

import pytest

from anvil.plan.arrange import arrange
from anvil.plan.bound import is_refuted, live_bytes, refuted_up_to
from anvil.plan.layout import Block, Blocks, Overlap
from anvil.plan.place import place
from anvil.plan.solver import solve


def random_blocks(seed: int) -> Blocks:
    """A chain with something beside it, so that there are few pairs."""
    rng = random.Random(seed)
    blocks = [
        Block(
            size_bytes=rng.randrange(1, 40),
            alignment_bytes=rng.choice([1, 1, 1, 4, 16]),
            first_use=number,
            last_use=number + 1,
        )
        for number in range(rng.randrange(3, 6))
    ]
    overlaps = [
        Overlap(
            output=number + 1,
            source=number,
            distance_bytes=rng.randrange(-block.size_bytes, blocks[number + 1].size_bytes),
            in_place=rng.random() < 0.3,
        )
        for number, block in enumerate(blocks[:-1])
        if rng.random() < 0.8
    ]
    start = rng.randrange(3)
    end = start + rng.randrange(3)
    beside = Block(
        size_bytes=rng.randrange(1, 40), alignment_bytes=4, first_use=start, last_use=end
    )
    return Blocks(blocks=(*blocks, beside), overlaps=tuple(overlaps))


def is_sound(blocks: Blocks, offsets: tuple[int, ...]) -> bool:
    """Straight from what blocks and overlaps mean."""
    allowed = {(o.output, o.source): o.distance_bytes for o in blocks.overlaps}
    in_place = {(o.output, o.source) for o in blocks.overlaps if o.in_place}
    for (m, a), (n, b) in itertools.permutations(enumerate(blocks.blocks), 2):
        if not a.meets(b):
            continue
        apart = offsets[m] + a.size_bytes <= offsets[n] or offsets[n] + b.size_bytes <= offsets[m]
        over = (m, n) in allowed and offsets[m] + allowed[m, n] <= offsets[n]
        over |= (n, m) in allowed and offsets[n] + allowed[n, m] <= offsets[m]
        over |= offsets[m] == offsets[n] and bool({(m, n), (n, m)} & in_place)
        if not apart and not over:
            return False
    return all(
        offset >= 0 and offset % block.alignment_bytes == 0
        for offset, block in zip(offsets, blocks.blocks, strict=True)
    )


def smallest(blocks: Blocks) -> int:
    """The smallest arena: every way to stack every pair, each pushed down as far as it goes."""
    pairs = blocks.pairs()
    best = sum(block.size_bytes + 16 for block in blocks.blocks)
    stacks = [
        [
            ((pair.second, pair.first, pair.down_bytes),),
            ((pair.first, pair.second, pair.up_bytes),),
            *([((pair.first, pair.second, 0), (pair.second, pair.first, 0))] * pair.in_place),
        ]
        for pair in pairs
    ]
    for ways in itertools.product(*stacks):
        offsets = [0] * len(blocks.blocks)
        for _ in range(4 * len(offsets)):
            before = list(offsets)
            for low, high, by in itertools.chain(*ways):
                alignment = blocks.blocks[high].alignment_bytes
                needed = -(-(offsets[low] + by) // alignment) * alignment
                offsets[high] = max(offsets[high], needed)
            if offsets == before:
                best = min(best, blocks.arena_bytes(offsets))
                break
    return best


@pytest.mark.parametrize("seed", range(60))
def test_a_layout_is_sound_and_proved_smallest(seed: int) -> None:
    blocks = random_blocks(seed)
    layout = arrange(blocks)
    assert is_sound(blocks, layout.offsets)
    assert layout.arena_bytes == blocks.arena_bytes(layout.offsets)
    assert layout.is_proved_optimal
    assert layout.arena_bytes == smallest(blocks)


@pytest.mark.parametrize("seed", range(60))
def test_the_bounds_never_exceed_the_smallest(seed: int) -> None:
    blocks = random_blocks(seed)
    least = smallest(blocks)
    assert live_bytes(blocks) <= least
    assert not is_refuted(blocks.blocks, blocks.pairs(), least)
    assert refuted_up_to(blocks, blocks.pairs(), 0, least) <= least


@pytest.mark.parametrize("seed", range(20))
def test_the_solver_finds_the_smallest_from_a_poor_start(seed: int) -> None:
    blocks = random_blocks(seed)
    tops = list(itertools.accumulate((b.size_bytes + 15) // 16 * 16 for b in blocks.blocks))
    poor = (0, *tops[:-1])
    offsets, bound = solve(blocks, blocks.pairs(), poor, 0)
    assert is_sound(blocks, offsets)
    assert blocks.arena_bytes(offsets) == bound == smallest(blocks)
    assert solve(blocks, blocks.pairs(), poor, 0) == (offsets, bound)


def test_a_bound_by_what_stacks_on_what() -> None:
    """No single call needs more than 57 bytes, and yet three creep down by 7 each."""
    blocks = Blocks(
        blocks=tuple(
            Block(size_bytes=50, alignment_bytes=1, first_use=n, last_use=n + 1) for n in range(4)
        ),
        overlaps=tuple(Overlap(output=n + 1, source=n, distance_bytes=7) for n in range(3)),
    )
    assert live_bytes(blocks) == 57
    assert is_refuted(blocks.blocks, blocks.pairs(), 70)
    assert not is_refuted(blocks.blocks, blocks.pairs(), 71)
    assert arrange(blocks).arena_bytes == 71


def test_in_place_or_apart() -> None:
    blocks = Blocks(
        blocks=tuple(
            Block(size_bytes=size, alignment_bytes=1, first_use=n, last_use=n + 1)
            for n, size in enumerate((50, 40, 40))
        ),
        overlaps=tuple(
            Overlap(output=n + 1, source=n, distance_bytes=40, in_place=True) for n in range(2)
        ),
    )
    assert live_bytes(blocks) == 50
    layout = arrange(blocks)
    assert layout.offsets[0] == layout.offsets[1] == layout.offsets[2]
    assert (layout.arena_bytes, layout.lower_bound_bytes) == (50, 50)


def test_what_is_hard_keeps_a_sound_layout_and_an_honest_bound() -> None:
    rng = random.Random(3)
    blocks = Blocks(
        blocks=tuple(
            Block(
                size_bytes=rng.randrange(1, 900),
                alignment_bytes=rng.choice([1, 16]),
                first_use=(first := rng.randrange(20)),
                last_use=first + rng.randrange(12),
            )
            for _ in range(60)
        ),
        overlaps=(),
    )
    layout = arrange(blocks)
    assert is_sound(blocks, layout.offsets)
    assert live_bytes(blocks) <= layout.lower_bound_bytes <= layout.arena_bytes
    first_fit = place(blocks, blocks.pairs(), 0)
    assert layout.arena_bytes <= blocks.arena_bytes(first_fit)
