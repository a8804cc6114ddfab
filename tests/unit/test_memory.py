"""Offsets in the arena never overlap while both tensors live."""

from __future__ import annotations

import random

import pytest

from anvil.core.graph import Graph
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType, Tensor
from anvil.plan.memory import ALIGNMENT_BYTES, ArenaLayout, align, plan_memory


def _tensor(n_bytes: int) -> Tensor:
    return Tensor(name="t", shape=(n_bytes,), dtype=DType.INT8)


def _call(inputs: tuple[int, ...], outputs: tuple[int, ...]) -> KernelCall:
    return KernelCall(
        op="add",
        dtype="int8",
        parameters=(),
        inputs=inputs,
        constants=(),
        outputs=outputs,
        n_macs=0,
    )


def check_sound(layout: ArenaLayout, aliases: dict[int, int]) -> None:
    allocations = layout.allocations
    for a in allocations:
        assert a.offset % ALIGNMENT_BYTES == 0
        assert a.offset + a.size_bytes <= layout.arena_bytes
        for b in allocations:
            if a.tensor < b.tensor and aliases.get(b.tensor, b.tensor) != aliases.get(
                a.tensor, a.tensor
            ):
                are_apart = (
                    a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
                )
                live_together = a.first_use <= b.last_use and b.first_use <= a.last_use
                assert are_apart or not live_together, (a, b)
    assert layout.arena_bytes >= layout.lower_bound_bytes


def test_a_chain_reuses_memory_and_reaches_the_lower_bound() -> None:
    graph = Graph(tensors=(_tensor(100),) * 3, ops=(), inputs=(0,), outputs=())
    calls = [_call((0,), (1,)), _call((1,), (2,))]
    layout = plan_memory(graph, calls, [0, 0], {})
    check_sound(layout, {})
    assert layout.arena_bytes == layout.lower_bound_bytes == 2 * align(100)


def test_scratch_lies_beside_its_call_alone() -> None:
    graph = Graph(tensors=(_tensor(16), _tensor(16), _tensor(16)), ops=(), inputs=(0,), outputs=())
    layout = plan_memory(graph, [_call((0,), (1,)), _call((1,), (2,))], [0, 48], {})
    assert layout.scratch_offsets[0] is None
    scratch = layout.scratch_offsets[1]
    assert scratch is not None
    for allocation in layout.allocations:
        if allocation.tensor in {1, 2}:
            end = allocation.offset + allocation.size_bytes
            assert end <= scratch or scratch + 48 <= allocation.offset
    assert layout.lower_bound_bytes == 16 + 16 + 48


def test_an_alias_shares_its_source() -> None:
    graph = Graph(
        tensors=(_tensor(32), _tensor(32), _tensor(32)), ops=(), inputs=(0,), outputs=(0,)
    )
    layout = plan_memory(graph, [_call((1,), (2,))], [0], {1: 0})
    offsets = {a.tensor: a.offset for a in layout.allocations}
    assert offsets[1] == offsets[0]
    assert offsets[2] != offsets[0]


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_are_sound(seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.randrange(1, 300) for _ in range(rng.randrange(3, 25))]
    calls = [
        _call(tuple(rng.sample(range(n), min(n, rng.randrange(1, 4)))), (n,))
        for n in range(1, len(sizes))
    ]
    graph = Graph(tensors=tuple(map(_tensor, sizes)), ops=(), inputs=(0,), outputs=(0,))
    scratch = [rng.choice([0, 0, 17, 64]) for _ in calls]
    check_sound(plan_memory(graph, calls, scratch, {}), {})
