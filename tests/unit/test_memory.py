"""What lies in the arena: lives, aliases, scratch, and outputs that lie over inputs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from anvil.core.graph import Graph, Op
from anvil.core.plan import MemoryStrategy
from anvil.core.tensor import DType, Tensor
from anvil.plan.memory import ALIGNMENT_BYTES, ArenaLayout, CallMemory, plan_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_APART = MemoryStrategy(overlap=False, reorder=False)


def _graph(
    sizes: Sequence[int | tuple[int, DType]],
    calls: Sequence[CallMemory] = (),
    *,
    inputs: Sequence[int] = (0,),
    outputs: Sequence[int] = (),
) -> Graph:
    """Tensors of these bytes, written by these calls."""
    tensors = []
    for size in sizes:
        n_bytes, dtype = size if isinstance(size, tuple) else (size, DType.INT8)
        tensors.append(Tensor(name="t", shape=(n_bytes // dtype.n_bytes,), dtype=dtype))
    written: set[int] = set()
    ops = []
    for number, call in enumerate(calls):
        new = tuple(tensor for tensor in call.outputs if tensor not in written)
        written.update(new)
        ops.append(Op(index=number, kind="ADD", inputs=call.inputs, outputs=new))
    return Graph(
        tensors=tuple(tensors), ops=tuple(ops), inputs=tuple(inputs), outputs=tuple(outputs)
    )


def _call(
    inputs: Sequence[int], *outputs: int, scratch_bytes: int = 0, alignment_bytes: int = 1
) -> CallMemory:
    return CallMemory(
        inputs=tuple(inputs),
        outputs=outputs,
        scratch_bytes=scratch_bytes,
        alignment_bytes=alignment_bytes,
    )


def _over(source: int, output: int, distance: int) -> CallMemory:
    return CallMemory(inputs=(source,), outputs=(output,), distances=((source, distance),))


def _offsets(layout: ArenaLayout) -> dict[int, int]:
    return {allocation.tensor: allocation.offset for allocation in layout.allocations}


def check_sound(
    layout: ArenaLayout, calls: Sequence[CallMemory], aliases: Mapping[int, int]
) -> None:
    """Two tensors of one time lie apart, unless a call that ends one may write over it."""
    for a in layout.allocations:
        assert a.offset + a.size_bytes <= layout.arena_bytes
        for b in layout.allocations:
            start, end = max(a.first_use, b.first_use), min(a.last_use, b.last_use)
            if a.tensor == b.tensor or aliases.get(b.tensor) == a.tensor or start > end:
                continue
            if aliases.get(a.tensor) == b.tensor:
                continue
            if a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset:
                continue
            assert start == end, (a, b)
            source, output = (a, b) if a.last_use == start else (b, a)
            if source.first_use == start:
                source, output = output, source
            call = calls[start]
            assert output.tensor in call.outputs
            if source.tensor in call.in_place and output.offset == source.offset:
                continue
            assert output.offset + dict(call.distances)[source.tensor] <= source.offset
    assert layout.arena_bytes >= layout.lower_bound_bytes


def test_a_chain_reuses_memory_and_reaches_the_lower_bound() -> None:
    calls = [_call([0], 1), _call([1], 2)]
    layout = plan_memory(_graph([100] * 3, calls), calls, {})
    check_sound(layout, calls, {})
    assert layout.arena_bytes == layout.lower_bound_bytes == 200


def test_scratch_lies_beside_its_call_alone() -> None:
    calls = [_call([0], 1), _call([1], 2, scratch_bytes=48)]
    layout = plan_memory(_graph([16] * 3, calls), calls, {})
    assert layout.scratch_offsets[0] is None
    scratch = layout.scratch_offsets[1]
    assert scratch is not None
    assert scratch % ALIGNMENT_BYTES == 0
    for allocation in layout.allocations:
        if allocation.tensor in {1, 2}:
            end = allocation.offset + allocation.size_bytes
            assert end <= scratch or scratch + 48 <= allocation.offset
    assert layout.lower_bound_bytes == 16 + 16 + 48


def test_an_alias_shares_its_source() -> None:
    calls = [_call([1], 2)]
    graph = _graph([32, 32, 32], calls, inputs=(0, 1), outputs=(0,))
    offsets = _offsets(plan_memory(graph, calls, {1: 0}))
    assert offsets[1] == offsets[0]
    assert offsets[2] != offsets[0]


def test_an_alias_that_is_still_needed_is_not_written_over() -> None:
    calls = [_over(0, 2, 0)]
    graph = _graph([32, 32, 32], calls, inputs=(0, 1), outputs=(1, 2))
    layout = plan_memory(graph, calls, {1: 0})
    assert layout.arena_bytes == 64


def test_in_place_composes_along_a_chain() -> None:
    calls = [_over(0, 1, 0), _over(1, 2, 0), _over(2, 3, 0)]
    layout = plan_memory(_graph([50] * 4, calls, outputs=(3,)), calls, {})
    assert _offsets(layout) == dict.fromkeys(range(4), 0)
    assert layout.arena_bytes == layout.lower_bound_bytes == 50


def test_only_the_last_reader_works_in_place() -> None:
    in_place = CallMemory(inputs=(0,), outputs=(1,), in_place=(0,))
    calls = [in_place, _call([1], 2)]
    layout = plan_memory(_graph([40, 40, 8], calls), calls, {})
    check_sound(layout, calls, {})
    assert layout.arena_bytes == layout.lower_bound_bytes == 48
    calls = [in_place, _call([0, 1], 2)]
    layout = plan_memory(_graph([40, 40, 8], calls), calls, {})
    assert layout.arena_bytes >= 88


def test_an_output_creeps_down_a_chain_by_each_distance() -> None:
    calls = [_over(n, n + 1, 7) for n in range(3)]
    layout = plan_memory(_graph([50] * 4, calls), calls, {})
    check_sound(layout, calls, {})
    # The input lies at a multiple of 16: 21 of them are needed below it.
    assert layout.arena_bytes == layout.lower_bound_bytes == 32 + 50


def test_an_input_that_is_read_again_is_not_written_over() -> None:
    calls = [_over(0, 1, 0), _call([0, 1], 2)]
    layout = plan_memory(_graph([50] * 3, calls, outputs=(2,)), calls, {})
    check_sound(layout, calls, {})
    assert layout.arena_bytes > 100


def test_an_input_that_is_an_output_too_is_not_written_over() -> None:
    calls = [_over(0, 1, 0)]
    layout = plan_memory(_graph([50] * 2, calls, outputs=(0, 1, 1)), calls, {})
    assert layout.arena_bytes == 64 + 50


def test_an_output_of_several_calls_lies_over_the_first_ones_input_alone() -> None:
    calls = [_over(0, 2, 0), _over(1, 2, 0)]
    layout = plan_memory(_graph([40, 40, 80], calls, inputs=(0, 1), outputs=(2,)), calls, {})
    check_sound(layout, calls, {})
    offsets = _offsets(layout)
    assert offsets[1] >= offsets[2] + 80 or offsets[2] >= offsets[1] + 40


def test_without_overlap_everything_lies_apart() -> None:
    calls = [_over(0, 1, 0)]
    graph = _graph([48] * 2, calls, outputs=(1,))
    assert plan_memory(graph, calls, {}).arena_bytes == 48
    assert plan_memory(graph, calls, {}, _APART).arena_bytes == 96


def test_alignments_are_the_elements_the_ports_and_the_kernels() -> None:
    sizes: list[int | tuple[int, DType]] = [5, (12, DType.FLOAT32), 5, 5, 3]
    calls = [_call([0], 1, 2, alignment_bytes=1), _call([1, 2], 3, alignment_bytes=8)]
    calls.append(_call([3], 4))
    layout = plan_memory(_graph(sizes, calls, outputs=(4,)), calls, {})
    offsets = _offsets(layout)
    assert offsets[0] % 16 == offsets[4] % 16 == 0
    assert offsets[1] % 8 == offsets[2] % 8 == offsets[3] % 8 == 0


@pytest.mark.parametrize("seed", range(15))
def test_random_graphs_are_sound(seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.randrange(1, 300) for _ in range(rng.randrange(3, 25))]
    calls = []
    for output in range(1, len(sizes)):
        inputs = rng.sample(range(output), min(output, rng.randrange(1, 4)))
        distances = [(i, rng.randrange(-sizes[i], sizes[output])) for i in inputs]
        calls.append(
            CallMemory(
                inputs=tuple(inputs),
                outputs=(output,),
                scratch_bytes=rng.choice([0, 0, 17, 64]),
                alignment_bytes=rng.choice([1, 1, 4]),
                distances=tuple(rng.sample(distances, rng.randrange(len(distances) + 1))),
            )
        )
    graph = _graph(sizes, calls, outputs=(0,) if seed % 2 else (len(sizes) - 1,))
    apart = plan_memory(graph, calls, {}, _APART)
    over = plan_memory(graph, calls, {}, MemoryStrategy(reorder=False))
    check_sound(over, calls, {})
    check_sound(apart, [CallMemory(inputs=c.inputs, outputs=c.outputs) for c in calls], {})
    assert over.lower_bound_bytes <= apart.lower_bound_bytes
