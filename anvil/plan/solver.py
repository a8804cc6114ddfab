"""Layouts proved to be the smallest, by OR-Tools' CP-SAT."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.plan.layout import Blocks, Pair

# Of the solver's own count of its work, the same on every machine: tenths of a second.
_MOST_WORK = 0.05


def solve(
    blocks: Blocks, pairs: Sequence[Pair], known: Sequence[int], lower_bound_bytes: int
) -> tuple[tuple[int, ...], int]:
    """The best layout found and the bound proved, at least `lower_bound_bytes`.

    known: offsets of a layout to start from; the result is never larger. One worker, one seed
    and a limit on work instead of time: the same blocks give the same layout.
    """
    # The modelling layer above this one imports pandas, which takes half a second.
    from ortools.sat.python import cp_model_helper as cp  # noqa: PLC0415

    known_bytes = blocks.arena_bytes(known)
    model = cp.CpModelProto()

    def variable(low: int, high: int) -> int:
        added = model.variables.add()
        added.domain.extend([low, high])
        return len(model.variables) - 1

    def at_least(terms: Sequence[tuple[int, int]], bound: int, *when: int) -> None:
        """The sum of coefficient times variable is `bound` or more, if all of `when` hold."""
        constraint = model.constraints.add()
        constraint.enforcement_literal.extend(when)
        constraint.linear.vars.extend([v for v, _ in terms])
        constraint.linear.coeffs.extend([c for _, c in terms])
        constraint.linear.domain.extend([bound, _MOST])

    arena = variable(lower_bound_bytes, known_bytes)
    steps = []
    for block in blocks.blocks:
        alignment = block.alignment_bytes
        step = variable(0, (known_bytes - block.size_bytes) // alignment)
        at_least([(arena, 1), (step, -alignment)], block.size_bytes)
        steps.append((step, alignment))
    hints = [(arena, known_bytes)]
    hints += [
        (step, offset // alignment) for (step, alignment), offset in zip(steps, known, strict=True)
    ]
    for pair in pairs:
        (first, first_alignment), (second, second_alignment) = steps[pair.first], steps[pair.second]
        is_up = variable(0, 1)
        upwards = [(second, second_alignment), (first, -first_alignment)]
        downwards = [(v, -c) for v, c in upwards]
        distance = known[pair.second] - known[pair.first]
        apart: tuple[int, ...] = ()
        if pair.in_place:
            is_same = variable(0, 1)
            at_least(upwards, 0, is_same)
            at_least(downwards, 0, is_same)
            hints.append((is_same, int(distance == 0)))
            apart = (-is_same - 1,)
        at_least(upwards, pair.up_bytes, is_up, *apart)
        at_least(downwards, pair.down_bytes, -is_up - 1, *apart)
        hints.append((is_up, int(distance >= pair.up_bytes)))
    model.objective.vars.append(arena)
    model.objective.coeffs.append(1)
    model.solution_hint.vars.extend([v for v, _ in hints])
    model.solution_hint.values.extend([value for _, value in hints])

    response = _run(cp, model)
    if response.status not in {cp.CpSolverStatus.OPTIMAL, cp.CpSolverStatus.FEASIBLE}:
        return tuple(known), lower_bound_bytes
    values = response.solution
    return (
        tuple(values[step] * alignment for step, alignment in steps),
        max(lower_bound_bytes, math.ceil(response.best_objective_bound - _ROUNDING)),
    )


_MOST = 2**62
_ROUNDING = 1e-6  # the bound of an integer objective comes as a float


def _run(cp: Any, model: Any) -> Any:  # noqa: ANN401  the module is given, not imported
    parameters = cp.SatParameters()
    parameters.num_workers = 1
    parameters.random_seed = 1
    # Its handler would leave the default one behind: an interruption would end us without a word.
    parameters.catch_sigint_signal = False
    parameters.max_deterministic_time = _MOST_WORK
    wrapper = cp.SolveWrapper()
    wrapper.set_parameters(parameters)
    return wrapper.solve(model)
