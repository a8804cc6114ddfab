"""The arena: who needs which memory when, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Allocation, MemoryStrategy
from anvil.plan.arrange import arrange
from anvil.plan.layout import Block, Blocks, Overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph

# The arena starts at a multiple of this. So does every input and output of the model, whose
# pointers are the user's, and scratch memory, whose type only its kernel knows.
ALIGNMENT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMemory:
    """What one kernel call needs; tensors are those that own memory, never aliases."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch_bytes: int = 0
    alignment_bytes: int = 1  # of inputs and outputs, beyond their element's own
    distances: tuple[tuple[int, int], ...] = ()  # input -> bytes that the one output must be below


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaLayout:
    """Where every computed tensor and every scratch area lies."""

    allocations: tuple[Allocation, ...]  # by tensor index
    scratch_offsets: tuple[int | None, ...]  # by call
    arena_bytes: int
    lower_bound_bytes: int


def plan_memory(
    graph: Graph,
    calls: Sequence[CallMemory],
    aliases: Mapping[int, int],
    strategy: MemoryStrategy = MemoryStrategy(),  # noqa: B008  frozen
) -> ArenaLayout:
    """Place every tensor that calls, inputs and outputs name.

    aliases: tensor -> the tensor whose memory it shares, as RESHAPE does. The layout is the
    same on every host.
    """

    def root(tensor: int) -> int:
        while tensor in aliases:
            tensor = aliases[tensor]
        return tensor

    lives: dict[int, list[int]] = {}
    alignments: dict[int, int] = {}

    def use(tensor: int, when: int, alignment: int) -> None:
        if not graph.tensors[tensor].is_constant:
            lives.setdefault(tensor, []).append(when)
            alignments[root(tensor)] = max(
                alignments.get(root(tensor), 1), alignment, graph.tensors[tensor].dtype.n_bytes
            )

    for tensor in graph.inputs:
        use(tensor, -1, ALIGNMENT_BYTES)
    for number, call in enumerate(calls):
        for tensor in (*call.inputs, *call.outputs):
            use(tensor, number, call.alignment_bytes)
    for tensor in graph.outputs:
        use(tensor, len(calls), ALIGNMENT_BYTES)

    groups: dict[int, list[int]] = {}
    for tensor in sorted(lives):
        groups.setdefault(root(tensor), []).append(tensor)
    blocks = [
        Block(
            size_bytes=max(graph.tensors[tensor].n_bytes for tensor in members),
            alignment_bytes=alignments[group],
            first_use=min(min(lives[tensor]) for tensor in members),
            last_use=max(max(lives[tensor]) for tensor in members),
        )
        for group, members in groups.items()
    ]
    numbers = {group: number for number, group in enumerate(groups)}
    scratch = [number for number, call in enumerate(calls) if call.scratch_bytes]
    scratch_blocks = [
        Block(
            size_bytes=calls[number].scratch_bytes,
            alignment_bytes=max(ALIGNMENT_BYTES, calls[number].alignment_bytes),
            first_use=number,
            last_use=number,
        )
        for number in scratch
    ]
    overlaps = _overlaps(calls, blocks, numbers) if strategy.overlap else ()
    layout = arrange(Blocks(blocks=(*blocks, *scratch_blocks), overlaps=overlaps))
    scratch_offsets = dict(zip(scratch, layout.offsets[len(blocks) :], strict=True))
    return ArenaLayout(
        allocations=tuple(
            Allocation(
                tensor=tensor,
                offset=layout.offsets[numbers[root(tensor)]],
                size_bytes=graph.tensors[tensor].n_bytes,
                first_use=min(lives[tensor]),
                last_use=max(lives[tensor]),
            )
            for tensor in sorted(lives)
        ),
        scratch_offsets=tuple(scratch_offsets.get(number) for number in range(len(calls))),
        # An array of no elements is not C; a model without computed tensors does not exist.
        arena_bytes=layout.arena_bytes or ALIGNMENT_BYTES,
        lower_bound_bytes=layout.lower_bound_bytes or ALIGNMENT_BYTES,
    )


def _overlaps(
    calls: Sequence[CallMemory], blocks: Sequence[Block], numbers: Mapping[int, int]
) -> tuple[Overlap, ...]:
    """The inputs that end at the call that begins its output, as far as its kernel allows.

    An output that several calls write begins at the first of them, so that the inputs of the
    others stay apart from it.
    """
    return tuple(
        Overlap(output=numbers[output], source=numbers[source], distance_bytes=distance)
        for when, call in enumerate(calls)
        for source, distance in call.distances
        for output in call.outputs
        if source in numbers
        and blocks[numbers[source]].last_use == when
        and blocks[numbers[output]].first_use == when
    )
