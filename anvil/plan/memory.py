"""The arena: who needs which memory when, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Allocation, MemoryStrategy
from anvil.plan.arrange import arrange
from anvil.plan.bound import live_bytes, refuted_up_to
from anvil.plan.layout import Block, Blocks
from anvil.plan.order import Step, Steps, best_order
from anvil.plan.sharing import Access, Uses, overlaps

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
    in_place: tuple[int, ...] = ()  # inputs where the one output may start instead


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaLayout:
    """When every call runs, and where every computed tensor and scratch area lies."""

    order: tuple[int, ...]  # the calls' numbers as given, as they run
    allocations: tuple[Allocation, ...]  # by tensor index; lives by position in `order`
    scratch_offsets: tuple[int | None, ...]  # by position in `order`
    arena_bytes: int
    lower_bound_bytes: int  # of every layout of the calls in this order


def least_bytes(
    graph: Graph,
    calls: Sequence[CallMemory],
    aliases: Mapping[int, int],
    *,
    slices: Mapping[int, tuple[int, int]],
    overlap: bool,
    most_bytes: int,
) -> int:
    """A fast lower bound, up to `most_bytes`, of the arena of the calls in the given order."""
    places = _Places(aliases=aliases, slices=slices)
    blocks = _needs(graph, calls, places, overlap=overlap).blocks
    return refuted_up_to(blocks, blocks.pairs(), live_bytes(blocks), most_bytes)


def plan_memory(
    graph: Graph,
    calls: Sequence[CallMemory],
    aliases: Mapping[int, int],
    strategy: MemoryStrategy = MemoryStrategy(),  # noqa: B008  frozen
    slices: Mapping[int, tuple[int, int]] | None = None,
) -> ArenaLayout:
    """Order the calls, and place every tensor that they, the inputs and the outputs name.

    aliases: tensor -> the tensor whose memory it shares, as RESHAPE does. slices: tensor -> the
    tensor that it is a part of, and its first byte. The given order stays unless another one
    gives a smaller arena, and where there are slices. The layout is the same on every host.
    """
    own = tuple(range(len(calls)))
    places = _Places(aliases=aliases, slices=slices or {})
    layout = _layout(graph, calls, own, places, overlap=strategy.overlap)
    if strategy.reorder and not slices:
        order = _best_order(graph, calls, places, overlap=strategy.overlap)
        if order != own:
            other = _layout(graph, calls, order, places, overlap=strategy.overlap)
            if other.arena_bytes < layout.arena_bytes:
                return other
    return layout


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Which tensors are others' memory, or a part of it."""

    aliases: Mapping[int, int]
    slices: Mapping[int, tuple[int, int]]

    def root(self, tensor: int) -> int:
        """The tensor that owns the memory."""
        while tensor in self.aliases or tensor in self.slices:
            tensor = self.aliases[tensor] if tensor in self.aliases else self.slices[tensor][0]
        return tensor

    def offset(self, tensor: int) -> int:
        """Bytes from the owner's start."""
        start = 0
        while tensor in self.aliases or tensor in self.slices:
            if tensor in self.aliases:
                tensor = self.aliases[tensor]
            else:
                tensor, first = self.slices[tensor]
                start += first
        return start


def _best_order(
    graph: Graph, calls: Sequence[CallMemory], places: _Places, *, overlap: bool
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
        shared |= {
            source: min(sizes[source], sizes[output])
            for number in group
            for source in calls[number].in_place
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
    kept = {places.root(tensor) for tensor in graph.outputs}
    found = best_order(
        Steps(
            steps=tuple(steps),
            sizes=tuple(sorted(sizes.items())),
            inputs=tuple(sorted(set(graph.inputs))),
            kept=tuple(sorted(kept)),
        )
    )
    return tuple(number for step in found for number in groups[step])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    """The blocks of the calls in one order: those of tensors, by owner, then scratch."""

    blocks: Blocks
    numbers: Mapping[int, int]  # owning tensor -> block
    lives: Mapping[int, Sequence[int]]  # tensor -> when it is used
    scratch: Sequence[int]  # the calls that have some


def _needs(graph: Graph, calls: Sequence[CallMemory], places: _Places, *, overlap: bool) -> _Needs:
    lives: dict[int, list[int]] = {}
    alignments: dict[int, int] = {}

    def use(tensor: int, when: int, alignment: int) -> None:
        if not graph.tensors[tensor].is_constant:
            root = places.root(tensor)
            lives.setdefault(tensor, []).append(when)
            alignments[root] = max(
                alignments.get(root, 1), alignment, graph.tensors[tensor].dtype.n_bytes
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
        groups.setdefault(places.root(tensor), []).append(tensor)
    blocks = [
        Block(
            size_bytes=graph.tensors[group].n_bytes,
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
    over = overlaps(_uses(graph, calls, numbers, places), blocks) if overlap else ()
    return _Needs(
        blocks=Blocks(blocks=(*blocks, *scratch_blocks), overlaps=over),
        numbers=numbers,
        lives=lives,
        scratch=scratch,
    )


def _layout(
    graph: Graph,
    given: Sequence[CallMemory],
    order: tuple[int, ...],
    places: _Places,
    *,
    overlap: bool,
) -> ArenaLayout:
    calls = [given[number] for number in order]
    needs = _needs(graph, calls, places, overlap=overlap)
    layout = arrange(needs.blocks)
    scratch_offsets = dict(zip(needs.scratch, layout.offsets[len(needs.numbers) :], strict=True))
    return ArenaLayout(
        order=order,
        allocations=tuple(
            Allocation(
                tensor=tensor,
                offset=layout.offsets[needs.numbers[places.root(tensor)]] + places.offset(tensor),
                size_bytes=graph.tensors[tensor].n_bytes,
                first_use=min(used),
                last_use=max(used),
            )
            for tensor, used in sorted(needs.lives.items())
        ),
        scratch_offsets=tuple(scratch_offsets.get(number) for number in range(len(calls))),
        # An array of no elements is not C; a model without computed tensors does not exist.
        arena_bytes=layout.arena_bytes or ALIGNMENT_BYTES,
        lower_bound_bytes=layout.lower_bound_bytes or ALIGNMENT_BYTES,
    )


def _uses(
    graph: Graph, calls: Sequence[CallMemory], numbers: Mapping[int, int], places: _Places
) -> Uses:
    """What is read and written of every block that holds tensors."""

    def accesses(when: int, tensors: Sequence[int]) -> list[Access]:
        found = []
        for tensor in tensors:
            if not graph.tensors[tensor].is_constant:
                first = places.offset(tensor)
                end = first + graph.tensors[tensor].n_bytes
                block = numbers[places.root(tensor)]
                found.append(Access(when=when, block=block, first_byte=first, end_byte=end))
        return found

    reads = accesses(len(calls), graph.outputs)
    writes = accesses(-1, graph.inputs)
    distances: dict[tuple[int, int, int], int] = {}
    in_place: set[tuple[int, int, int]] = set()
    for when, call in enumerate(calls):
        reads += accesses(when, call.inputs)
        writes += accesses(when, call.outputs)
        for source, distance in call.distances:
            (output,) = call.outputs
            key = (when, numbers[places.root(source)], numbers[places.root(output)])
            between = distance + places.offset(output) - places.offset(source)
            distances[key] = max(between, distances.get(key, between))
        for source in call.in_place:
            (output,) = call.outputs
            if places.offset(output) == places.offset(source):
                in_place.add((when, numbers[places.root(source)], numbers[places.root(output)]))
    return Uses(reads=reads, writes=writes, distances=distances, in_place=frozenset(in_place))
