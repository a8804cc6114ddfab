"""The order of least memory, against every order there is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from anvil.core.plan import MemoryStrategy
from anvil.plan import order as order_module
from anvil.plan.order import Step, Steps, best_order
from tests.support.networks import Network, convolution_attributes, pool_attributes
from tests.support.projects import MODEL_SHA256, plan_of, target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.core.graph import Graph


def orders(steps: Steps) -> Iterator[tuple[int, ...]]:
    """Every order in which a step's inputs are there."""

    def extend(done: tuple[int, ...], known: frozenset[int]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(steps.steps):
            yield done
        for number, step in enumerate(steps.steps):
            if number not in done and known.issuperset(step.reads):
                yield from extend((*done, number), known | set(step.writes))

    yield from extend((), frozenset(steps.inputs))


def peak(steps: Steps, order: tuple[int, ...]) -> int:
    """The most memory at once, told from which tensor is needed when."""
    sizes = dict(steps.sizes)
    made = dict.fromkeys(steps.inputs, -1)
    ends = dict.fromkeys(steps.inputs, -1)
    for when, number in enumerate(order):
        step = steps.steps[number]
        ends |= dict.fromkeys(step.reads, when)
        made |= dict.fromkeys(step.writes, when)
        ends |= dict.fromkeys(step.writes, when)
    ends |= dict.fromkeys(steps.kept, len(order))
    most = sum(sizes[tensor] for tensor in steps.inputs)
    for when, number in enumerate(order):
        step = steps.steps[number]
        live = sum(sizes[t] for t in made if made[t] <= when <= ends[t])
        shared = sum(n for tensor, n in step.shared if ends[tensor] == when)
        written = sum(sizes[tensor] for tensor in step.writes)
        most = max(most, live + step.scratch_bytes - min(shared, written))
    return most


def random_steps(seed: int) -> Steps:
    rng = random.Random(seed)
    n_inputs, n_steps = rng.randrange(1, 3), rng.randrange(2, 8)
    sizes = [rng.randrange(1, 100) for _ in range(n_inputs + n_steps)]
    steps = []
    for number in range(n_steps):
        written = n_inputs + number
        reads = rng.sample(range(written), min(written, rng.randrange(1, 3)))
        shared = [(t, rng.randrange(min(sizes[t], sizes[written]) + 1)) for t in reads]
        steps.append(
            Step(
                reads=tuple(reads),
                writes=(written,),
                scratch_bytes=rng.choice([0, 0, 50]),
                shared=tuple(rng.sample(shared, rng.randrange(len(shared) + 1))),
            )
        )
    return Steps(
        steps=tuple(steps),
        sizes=tuple(enumerate(sizes)),
        inputs=tuple(range(n_inputs)),
        kept=tuple(rng.sample(range(len(sizes)), rng.randrange(1, 3))),
    )


@pytest.mark.parametrize("seed", range(80))
def test_no_order_needs_less(seed: int) -> None:
    steps = random_steps(seed)
    own = tuple(range(len(steps.steps)))
    peaks = {order: peak(steps, order) for order in orders(steps)}
    found = best_order(steps)
    assert peaks[found] == min(peaks.values())
    if peaks[own] == peaks[found]:
        assert found == own


def test_the_random_graphs_have_orders_to_choose_from() -> None:
    gains = 0
    for seed in range(80):
        steps = random_steps(seed)
        gains += best_order(steps) != tuple(range(len(steps.steps)))
    assert gains > 10


def test_a_wide_graph_is_searched_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen branches of three steps have more states than are looked at."""
    steps, sizes = [], [(0, 10)]
    for branch in range(16):
        first = 3 * branch + 1
        steps += [
            Step(reads=(0,), writes=(first,)),
            Step(reads=(first,), writes=(first + 1,)),
            Step(reads=(first + 1,), writes=(first + 2,)),
        ]
        sizes += [(first, 100), (first + 1, 50), (first + 2, 1)]
    ends = tuple(3 * branch + 3 for branch in range(16))
    breadth_first = tuple(steps[3 * b + s] for s in range(3) for b in range(16))
    wide = Steps(steps=breadth_first, sizes=tuple(sizes), inputs=(0,), kept=ends)
    monkeypatch.setattr(order_module, "_MOST_STATES", 200)
    found = best_order.__wrapped__(wide)
    assert sorted(found) == list(range(48))
    # Of the last branch but one: the input, its two tensors and the ends of 14.
    assert peak(wide, found) == 10 + 100 + 50 + 14


def branching() -> Graph:
    """Two branches that widen and narrow again, and the model widens both before it narrows."""
    net = Network(seed=1)
    image = net.input((1, 12, 12, 4))
    one_by_one = convolution_attributes()
    wide = [
        net.convolution(image, n_outputs=32, filter_size=(1, 1), attributes=one_by_one)
        for _ in range(3)
    ]
    pooled = [
        net.op("AVERAGE_POOL_2D", [tensor], pool_attributes(filter_h=4, filter_w=4, stride_h=4))
        for tensor in wide
    ]
    narrow = [net.convolution(tensor, n_outputs=4) for tensor in pooled]
    first = net.arithmetic("ADD", narrow[0], narrow[1])
    return net.graph(net.arithmetic("ADD", first, narrow[2]))


def test_a_network_whose_branches_run_one_by_one_needs_less() -> None:
    graph = branching()
    given = plan_of(graph, "linux-x86_64", strategy=MemoryStrategy(reorder=False))
    chosen = plan_of(graph, "linux-x86_64")
    assert target("linux-x86_64") == chosen.target
    assert chosen.arena_bytes < 0.6 * given.arena_bytes
    indices = [planned.op_index for planned in chosen.calls]
    assert indices != sorted(indices)
    assert sorted(indices) == [planned.op_index for planned in given.calls]
    assert chosen.model_sha256 == MODEL_SHA256
