"""Offsets in the arena: lifetimes, aliases, and placement greedy by size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Allocation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import KernelCall

# Kernels of any core may load 16 bytes at once from the start of a tensor.
ALIGNMENT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Memory that is needed from the first to the last call, both included."""

    key: tuple[str, int]  # ("tensor", root index) or ("scratch", call)
    size_bytes: int
    first_use: int
    last_use: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaLayout:
    """Where every computed tensor and every scratch area lies."""

    allocations: tuple[Allocation, ...]  # by tensor index
    scratch_offsets: tuple[int | None, ...]  # by call
    arena_bytes: int
    lower_bound_bytes: int  # the largest sum of what is live during one call


def align(n_bytes: int) -> int:
    """`n_bytes` rounded up to the arena's alignment.

    >>> align(17)
    32
    """
    return -(-n_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def plan_memory(
    graph: Graph,
    calls: Sequence[KernelCall],
    scratch_bytes: Sequence[int],
    aliases: Mapping[int, int],
) -> ArenaLayout:
    """Place every tensor that calls, inputs and outputs name.

    aliases: tensor -> the tensor whose memory it shares, as RESHAPE does. The largest block
    is placed first, at the lowest offset that is free during its life; equal blocks in
    order of first use, so that the layout is the same on every host.
    """

    def root(tensor: int) -> int:
        while tensor in aliases:
            tensor = aliases[tensor]
        return tensor

    lives: dict[int, list[int]] = {}

    def use(tensor: int, when: int) -> None:
        if not graph.tensors[tensor].is_constant:
            lives.setdefault(tensor, []).append(when)

    for tensor in graph.inputs:
        use(tensor, -1)
    for number, call in enumerate(calls):
        for tensor in (*call.inputs, *call.outputs):
            use(tensor, number)
    for tensor in graph.outputs:
        use(tensor, len(calls))

    groups: dict[int, list[int]] = {}
    for tensor in sorted(lives):
        groups.setdefault(root(tensor), []).append(tensor)
    blocks = [
        _Block(
            key=("tensor", group),
            size_bytes=align(max(graph.tensors[tensor].n_bytes for tensor in members)),
            first_use=min(min(lives[tensor]) for tensor in members),
            last_use=max(max(lives[tensor]) for tensor in members),
        )
        for group, members in groups.items()
    ]
    blocks += [
        _Block(key=("scratch", number), size_bytes=align(size), first_use=number, last_use=number)
        for number, size in enumerate(scratch_bytes)
        if size
    ]
    offsets = _place(blocks)
    return ArenaLayout(
        allocations=tuple(
            Allocation(
                tensor=tensor,
                offset=offsets["tensor", root(tensor)],
                size_bytes=graph.tensors[tensor].n_bytes,
                first_use=min(lives[tensor]),
                last_use=max(lives[tensor]),
            )
            for tensor in sorted(lives)
        ),
        scratch_offsets=tuple(offsets.get(("scratch", n)) for n in range(len(calls))),
        # An array of no elements is not C; a model without computed tensors does not exist.
        arena_bytes=max(
            (offsets[block.key] + block.size_bytes for block in blocks), default=ALIGNMENT_BYTES
        ),
        lower_bound_bytes=max(
            (
                sum(b.size_bytes for b in blocks if b.first_use <= when <= b.last_use)
                for when in range(-1, len(calls) + 1)
            ),
            default=0,
        ),
    )


def _place(blocks: Sequence[_Block]) -> dict[tuple[str, int], int]:
    offsets: dict[tuple[str, int], int] = {}
    placed: list[_Block] = []
    for block in sorted(blocks, key=lambda b: (-b.size_bytes, b.first_use, b.key)):
        offset = 0
        neighbours = sorted(
            (offsets[other.key], other.size_bytes)
            for other in placed
            if other.first_use <= block.last_use and block.first_use <= other.last_use
        )
        for start, size_bytes in neighbours:
            if offset + block.size_bytes <= start:
                break
            offset = max(offset, start + size_bytes)
        offsets[block.key] = offset
        placed.append(block)
    return offsets
