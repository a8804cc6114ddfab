"""How much of the arena each call needs while it runs, before anything has its place.

The greatest of these is a lower bound of the arena of the calls in the given order, and near
enough to weigh kernels by: whoever takes one that wants scratch memory sees what it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import KernelCall
    from anvil.plan.memory import CallMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The tensors that live while each call runs."""

    live_bytes: tuple[int, ...]  # by call
    # By call: the inputs that no later call reads, so that the output may lie over one.
    ending: tuple[frozenset[int], ...]
    sizes: tuple[int, ...]  # by tensor, bytes

    def of(self, number: int, memory: CallMemory) -> int:
        """Bytes while call `number` runs as `memory` says."""
        output = self.sizes[memory.outputs[0]] if memory.outputs else 0
        distances = dict(memory.distances) | dict.fromkeys(memory.in_place, 0)
        shared = max(
            (
                min(self.sizes[source], output - max(0, distance))
                for source, distance in distances.items()
                if source in self.ending[number]
            ),
            default=0,
        )
        return self.live_bytes[number] - max(0, shared) + memory.scratch_bytes


def needs(graph: Graph, calls: Sequence[KernelCall], aliases: Mapping[int, int]) -> Needs:
    """What lives when, the calls as they are given. aliases: tensor -> whose memory it is."""

    def root(tensor: int) -> int:
        while tensor in aliases:
            tensor = aliases[tensor]
        return tensor

    first: dict[int, int] = {root(tensor): -1 for tensor in graph.inputs}
    last: dict[int, int] = {}
    for number, call in enumerate(calls):
        for tensor in (*call.inputs, *call.outputs):
            if not graph.tensors[tensor].is_constant:
                first.setdefault(root(tensor), number)
                last[root(tensor)] = number
    kept = {root(tensor) for tensor in graph.outputs}
    last |= dict.fromkeys(kept, len(calls))
    live = [
        {one for one in last if first.get(one, 0) <= number <= last[one]}
        for number in range(len(calls))
    ]
    sizes = tuple(tensor.n_bytes for tensor in graph.tensors)
    return Needs(
        live_bytes=tuple(sum(sizes[one] for one in found) for found in live),
        ending=tuple(
            frozenset(
                tensor
                for tensor in call.inputs
                if last.get(root(tensor)) == number and not set(call.outputs) & {root(tensor)}
            )
            for number, call in enumerate(calls)
        ),
        sizes=sizes,
    )
