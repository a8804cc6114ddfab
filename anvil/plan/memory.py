"""The arena: who needs which memory when, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Allocation, MemoryStrategy
from anvil.plan.arrange import arrange
from anvil.plan.layout import Block, Blocks, Overlap
from anvil.plan.order import Step, Steps, best_order

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
    """When every call runs, and where every computed tensor and scratch area lies."""

    order: tuple[int, ...]  # the calls' numbers as given, as they run
    allocations: tuple[Allocation, ...]  # by tensor index; lives by position in `order`
    scratch_offsets: tuple[int | None, ...]  # by position in `order`
    arena_bytes: int
    lower_bound_bytes: int  # of every layout of the calls in this order


def plan_memory(
    graph: Graph,
    calls: Sequence[CallMemory],
    aliases: Mapping[int, int],
    strategy: MemoryStrategy = MemoryStrategy(),  # noqa: B008  frozen
) -> ArenaLayout:
    """Order the calls, and place every tensor that they, the inputs and the outputs name.

    aliases: tensor -> the tensor whose memory it shares, as RESHAPE does. The given order stays
    unless another one gives a smaller arena. The layout is the same on every host.
    """
    own = tuple(range(len(calls)))
    layout = _layout(graph, calls, own, aliases, overlap=strategy.overlap)
    if strategy.reorder:
        order = _best_order(graph, calls, aliases, overlap=strategy.overlap)
        if order != own:
            other = _layout(graph, calls, order, aliases, overlap=strategy.overlap)
            if other.arena_bytes < layout.arena_bytes:
                return other
    return layout


def _root(tensor: int, aliases: Mapping[int, int]) -> int:
    while tensor in aliases:
        tensor = aliases[tensor]
    return tensor


def _best_order(
    graph: Graph, calls: Sequence[CallMemory], aliases: Mapping[int, int], *, overlap: bool
) -> tuple[int, ...]:
    # Calls that write one tensor are one operator's, and stay together.
    groups: list[list[int]] = []
    for number, call in enumerate(calls):
        if groups and set(call.outputs) & set(calls[groups[-1][0]].outputs):
            groups[-1].append(number)
        else:
            groups.append([number])
    sizes = {
        index: tensor.n_bytes
        for index, tensor in enumerate(graph.tensors)
        if not tensor.is_constant
    }
    steps = []
    for group in groups:
        shared = {
            source: min(sizes[source], sizes[output] - max(0, distance))
            for number in group
            for source, distance in calls[number].distances
            for output in calls[number].outputs
        }
        steps.append(
            Step(
                reads=tuple(sorted({i for n in group for i in calls[n].inputs if i in sizes})),
                writes=tuple(sorted({i for n in group for i in calls[n].outputs})),
                scratch_bytes=max(calls[n].scratch_bytes for n in group),
                shared=tuple(sorted(shared.items())) if overlap and len(group) == 1 else (),
            )
        )
    kept = {_root(tensor, aliases) for tensor in graph.outputs}
    found = best_order(
        Steps(
            steps=tuple(steps),
            sizes=tuple(sorted(sizes.items())),
            inputs=tuple(sorted(set(graph.inputs))),
            kept=tuple(sorted(kept)),
        )
    )
    return tuple(number for step in found for number in groups[step])


def _layout(
    graph: Graph,
    given: Sequence[CallMemory],
    order: tuple[int, ...],
    aliases: Mapping[int, int],
    *,
    overlap: bool,
) -> ArenaLayout:
    calls = [given[number] for number in order]

    def root(tensor: int) -> int:
        return _root(tensor, aliases)

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
    overlaps = _overlaps(calls, blocks, numbers) if overlap else ()
    layout = arrange(Blocks(blocks=(*blocks, *scratch_blocks), overlaps=overlaps))
    scratch_offsets = dict(zip(scratch, layout.offsets[len(blocks) :], strict=True))
    return ArenaLayout(
        order=order,
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
