"""What calls need of the arena, against the arenas that are laid out."""

from __future__ import annotations

import pytest

from anvil.core.plan import MemoryStrategy
from anvil.plan.memory import CallMemory
from anvil.plan.needs import needs
from anvil.plan.overlap import smallest_distances
from tests.support import projects
from tests.support.networks import random_network


@pytest.mark.parametrize("seed", range(6))
def test_the_greatest_need_is_a_lower_bound_and_near_the_arena(seed: int) -> None:
    graph = random_network(seed, n_ops=8)
    plan = projects.plan_of(graph, "nrf52840", strategy=MemoryStrategy(reorder=False))
    offsets = {one.tensor: one.offset for one in plan.allocations}
    # Where an alias lies at its source's offset and shares its life, it is the source.
    aliases = {
        op.outputs[0]: op.inputs[0]
        for op in plan.graph.ops
        if op.kind == "RESHAPE" and offsets.get(op.outputs[0]) == offsets.get(op.inputs[0])
    }
    lowered = [planned.lowered for planned in plan.calls]
    found = needs(plan.graph, lowered, aliases)
    most = max(
        found.of(
            number,
            CallMemory(
                inputs=planned.lowered.inputs,
                outputs=planned.lowered.outputs,
                scratch_bytes=planned.scratch_bytes,
                distances=tuple(
                    smallest_distances(
                        planned.variant.traversal, planned.lowered, plan.graph.tensors
                    ).items()
                ),
            ),
        )
        for number, planned in enumerate(plan.calls)
    )
    assert plan.arena_bytes / 1.5 - 64 <= most <= plan.arena_bytes


def test_scratch_counts_and_an_output_over_an_input_does_not() -> None:
    graph = random_network(0, n_ops=3)
    plan = projects.plan_of(graph, "nrf52840")
    found = needs(plan.graph, [planned.lowered for planned in plan.calls], {})
    call = plan.calls[-1].lowered
    number = len(plan.calls) - 1
    apart = CallMemory(inputs=call.inputs, outputs=call.outputs)
    scratch = CallMemory(inputs=call.inputs, outputs=call.outputs, scratch_bytes=100)
    assert found.of(number, scratch) == found.of(number, apart) + 100
    source = min(found.ending[number])
    over = CallMemory(inputs=call.inputs, outputs=call.outputs, distances=((source, -(2**20)),))
    shared = min(found.sizes[source], found.sizes[call.outputs[0]])
    assert found.of(number, over) == found.of(number, apart) - shared
