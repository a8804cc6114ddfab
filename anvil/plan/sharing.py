"""Which blocks may lie over which, told from what the calls read and write of them when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anvil.plan.layout import Overlap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anvil.plan.layout import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one call does with a part of a block."""

    when: int
    block: int
    first_byte: int
    end_byte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """All that is done with the blocks, the user's writes before the calls and reads after."""

    reads: Sequence[Access]
    writes: Sequence[Access]
    # (call, block read, block written) -> the distance between the blocks that the call asks for
    distances: Mapping[tuple[int, int, int], int]
    # those of which the call may put the result over what it reads, both whole and byte for byte
    in_place: frozenset[tuple[int, int, int]] = frozenset()


@dataclass(slots=True)
class _Block:
    reads: list[Access] = field(default_factory=list)
    writes: list[Access] = field(default_factory=list)


def overlaps(uses: Uses, blocks: Sequence[Block]) -> tuple[Overlap, ...]:
    """Every pair where the one that is written may start less than its size below the other.

    What a call writes must end below whatever is read of the other block after it, and within
    a call that does both, the kernel says how far below.
    """
    found: dict[int, _Block] = defaultdict(_Block)
    for access in uses.reads:
        found[access.block].reads.append(access)
    for access in uses.writes:
        found[access.block].writes.append(access)
    return tuple(_pairs(uses, blocks, found))


def _pairs(uses: Uses, blocks: Sequence[Block], found: Mapping[int, _Block]) -> Iterator[Overlap]:
    for source, read in found.items():
        for output, written in found.items():
            if source == output or not blocks[source].meets(blocks[output]):
                continue
            if max(a.when for a in read.writes) >= min(a.when for a in written.writes):
                continue  # the source is still being written
            size = blocks[output].size_bytes
            distance = _distance(uses, (source, output), read.reads, written.writes)
            distance = size if distance is None else min(distance, size)
            in_place = _is_in_place(uses, (source, output), read.reads, written.writes)
            if in_place or distance < size:
                yield Overlap(
                    output=output,
                    source=source,
                    distance_bytes=max(distance, -blocks[source].size_bytes),
                    in_place=in_place,
                )


def _is_in_place(
    uses: Uses, pair: tuple[int, int], reads: Sequence[Access], writes: Sequence[Access]
) -> bool:
    """Whether one call alone writes the output, as the last to read the source."""
    calls = {access.when for access in writes}
    last = max((access.when for access in reads), default=None)
    return last is not None and calls == {last} and (last, *pair) in uses.in_place


def _distance(
    uses: Uses, pair: tuple[int, int], reads: Sequence[Access], writes: Sequence[Access]
) -> int | None:
    needed: list[int] = []
    end = 0
    reading = {access.when for access in reads}
    for access in sorted(writes, key=lambda a: a.when):
        end = max(end, access.end_byte)
        later = [a.first_byte for a in reads if a.when > access.when]
        if later:
            needed.append(end - min(later))
        if access.when in reading:
            own = uses.distances.get((access.when, *pair))
            if own is None:
                return None
            needed.append(own)
    # Nothing needed: whatever is written, nothing is read any more.
    return max(needed, default=-(2**62))
