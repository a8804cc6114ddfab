"""Several programs that do the same, timed in turns on a machine that others use, too."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BATCH_NS = 40e6
_N_FIRST = 20
_N_TURNS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One contender's times."""

    nanoseconds: float  # median of its batches
    ratio: float | None  # median, over the turns, of the first one's time to this one's


def contest(contenders: Mapping[str, Callable[[int], float]]) -> dict[str, Standing]:
    """Time every contender; the first is Anvil.

    A contender takes a number of inferences and gives the nanoseconds of one. They take turns,
    batch by batch, and a ratio is of two batches of one turn, so that what slows the machine for
    a while slows both.
    """
    numbers = {}
    for name, run in contenders.items():
        run(_N_FIRST)  # caches, and compilers that wait for a function to be hot
        numbers[name] = max(_N_FIRST, round(_BATCH_NS / run(_N_FIRST)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(_N_TURNS):
        for name, run in contenders.items():
            times[name].append(run(numbers[name]))
    first = times[next(iter(contenders))]
    return {
        name: Standing(
            nanoseconds=statistics.median(found),
            ratio=None
            if found is first
            else statistics.median(a / b for a, b in zip(first, found, strict=True)),
        )
        for name, found in times.items()
    }
