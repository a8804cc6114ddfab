"""The question that the memory plan asks: blocks with lives, and how far apart they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Memory that is needed from the first to the last call, both included."""

    size_bytes: int
    alignment_bytes: int
    first_use: int
    last_use: int

    def meets(self, other: Block) -> bool:
        """Whether both are needed at some time."""
        return self.first_use <= other.last_use and other.first_use <= self.last_use


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Overlap:
    """Block `output` may start anywhere up to `distance_bytes` below block `source`."""

    output: int
    source: int
    distance_bytes: int  # negative: it may start above, by so much
    in_place: bool = False  # or both may start at the same byte


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """Two blocks that meet: one stands above the other, and by how much at least."""

    first: int
    second: int
    up_bytes: int  # `second` starts at least so far above `first`, or
    down_bytes: int  # `first` starts at least so far above `second`
    in_place: bool = False  # or both start at the same byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the blocks lie."""

    offsets: tuple[int, ...]  # bytes, by block
    arena_bytes: int
    lower_bound_bytes: int  # of every layout of these blocks

    @property
    def is_proved_optimal(self) -> bool:
        """Whether no layout of these blocks is smaller."""
        return self.arena_bytes == self.lower_bound_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Blocks, and which of them may overlap while both are needed."""

    blocks: tuple[Block, ...]
    overlaps: tuple[Overlap, ...]

    def pairs(self) -> tuple[Pair, ...]:
        """Every pair of blocks that meet and may not lie anywhere."""
        distances = {
            (overlap.output, overlap.source): overlap.distance_bytes for overlap in self.overlaps
        }
        in_place = {
            frozenset((overlap.output, overlap.source))
            for overlap in self.overlaps
            if overlap.in_place
        }
        found = []
        for second, block in enumerate(self.blocks):
            for first, other in enumerate(self.blocks[:second]):
                if not block.meets(other):
                    continue
                # Further down than its own size, the lower of two is clear of the other.
                up = min(other.size_bytes, distances.get((first, second), other.size_bytes))
                down = min(block.size_bytes, distances.get((second, first), block.size_bytes))
                if up + down > 1:
                    found.append(
                        Pair(
                            first=first,
                            second=second,
                            up_bytes=up,
                            down_bytes=down,
                            in_place=frozenset((first, second)) in in_place,
                        )
                    )
        return tuple(found)

    def arena_bytes(self, offsets: Sequence[int]) -> int:
        """Where the last block ends."""
        return max(
            (offset + b.size_bytes for offset, b in zip(offsets, self.blocks, strict=True)),
            default=0,
        )
