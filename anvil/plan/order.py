"""The order of operators that needs the least memory at once.

    best_order(Steps(...)) -> (0, 2, 1, 3)   the steps' numbers as they should run

What is compared is the largest amount of live memory, output and input counted once where
the output may lie over the input; whether a layout reaches it is another question.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Sets of finished steps to look at. A chain of n steps has n of them, k chains of n each n**k.
_MOST_STATES = 5_000
_BEAM = 100  # states kept after each step where there are more
_MOST_STEPS = 40_000  # looked at in all: a large graph gets a narrower beam


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operator: the tensors that it reads and writes, and what it needs beside them."""

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch_bytes: int = 0
    shared: tuple[tuple[int, int], ...] = ()  # input -> bytes of it that outputs may cover


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """All operators of a graph, in an order that the model gives."""

    steps: tuple[Step, ...]
    sizes: tuple[tuple[int, int], ...]  # tensor -> bytes
    inputs: tuple[int, ...]  # tensors there from the start
    kept: tuple[int, ...]  # tensors needed to the end


@cache  # targets with the same kernels ask the same question
def best_order(steps: Steps) -> tuple[int, ...]:
    """The steps' numbers in the order of least live memory; theirs, where that is as good.

    Exact where the graph has few enough sets of steps that can be done first; beyond, the best
    of the most promising ones.
    """
    search = _Search(steps)
    own = tuple(range(len(steps.steps)))
    peak = search.peak(own)
    found = search.run(limit=peak) if peak > search.least() else None
    return own if found is None else found


@dataclass(frozen=True, slots=True)
class _State:
    """What was done, and the best way to do it."""

    peak: int
    live: int  # bytes
    order: tuple[int, ...]


class _Search:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps.steps
        self._sizes = dict(steps.sizes)
        self._kept = frozenset(steps.kept)
        self._inputs = steps.inputs
        writers = {tensor: n for n, step in enumerate(self._steps) for tensor in step.writes}
        self._readers: dict[int, int] = {}  # tensor -> bit set of the steps that read it
        self._needs: list[int] = []  # step -> bit set of the steps before it
        for number, step in enumerate(self._steps):
            needed = 0
            for tensor in step.reads:
                self._readers[tensor] = self._readers.get(tensor, 0) | 1 << number
                if tensor in writers:
                    needed |= 1 << writers[tensor]
            self._needs.append(needed)
        # An input that nothing reads is there only until the first step.
        self._start = sum(self._sizes[tensor] for tensor in set(self._inputs))

    def peak(self, order: Iterable[int]) -> int:
        """The most memory at once in this order."""
        done, live, peak = 0, self._after_start(), self._start
        for number in order:
            needed, live = self._take(done, live, number)
            peak = max(peak, needed)
            done |= 1 << number
        return peak

    def least(self) -> int:
        """What the largest step needs with nothing else there."""
        alone = [self._start]
        for step in self._steps:
            covers = dict(step.shared)
            written = sum(self._sizes[tensor] for tensor in step.writes)
            shared = min(written, sum(covers.values()))
            read = sum(self._sizes[tensor] for tensor in set(step.reads))
            alone.append(read + written + step.scratch_bytes - shared)
        return max(alone)

    def run(self, limit: int) -> tuple[int, ...] | None:
        """The best order below `limit` bytes, if there is one."""
        states = {0: _State(self._start, self._after_start(), ())}
        n_seen = 0
        n_steps = len(self._steps)
        beam = max(4, min(_BEAM, _MOST_STEPS // (n_steps * n_steps)))
        for _ in self._steps:
            following: dict[int, _State] = {}
            for done, state in states.items():
                for number in self._ready(done):
                    needed, live = self._take(done, state.live, number)
                    peak = max(state.peak, needed)
                    after = done | 1 << number
                    if peak < limit and (after not in following or peak < following[after].peak):
                        following[after] = _State(peak, live, (*state.order, number))
            n_seen += len(following)
            if n_seen > _MOST_STATES and len(following) > beam:
                best = sorted(following.items(), key=lambda item: _rank(item[1]))[:beam]
                following = dict(best)
            states = following
        return min((_rank(state) for state in states.values()), default=(0, 0, None))[2]

    def _ready(self, done: int) -> Iterator[int]:
        for number, needed in enumerate(self._needs):
            if not done >> number & 1 and needed & ~done == 0:
                yield number

    def _after_start(self) -> int:
        return sum(
            self._sizes[tensor]
            for tensor in set(self._inputs)
            if tensor in self._readers or tensor in self._kept
        )

    def _take(self, done: int, live: int, number: int) -> tuple[int, int]:
        """The memory needed during a step and after it."""
        step = self._steps[number]
        after = done | 1 << number
        written = sum(self._sizes[tensor] for tensor in step.writes)
        ended = [
            tensor
            for tensor in set(step.reads)
            if tensor not in self._kept and self._readers[tensor] & ~after == 0
        ]
        covers = dict(step.shared)
        shared = min(written, sum(covers.get(tensor, 0) for tensor in ended))
        lost = sum(
            self._sizes[tensor]
            for tensor in step.writes
            if tensor not in self._readers and tensor not in self._kept
        )
        return (
            live + written + step.scratch_bytes - shared,
            live + written - sum(self._sizes[tensor] for tensor in ended) - lost,
        )


def _rank(state: _State) -> tuple[int, int, tuple[int, ...]]:
    return (state.peak, state.live, state.order)
