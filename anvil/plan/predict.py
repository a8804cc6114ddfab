"""What a plan will cost, from the cost table of its core and toolchain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.prediction import CallCost, Prediction
from anvil.plan.features import call_names, evaluate_linear

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import KernelCall, Plan, PlannedCall
    from anvil.plan.costs import CostTable, KernelCost, ProgramCost
    from anvil.plan.features import Linear, Names

_CONSTANT_ALIGNMENT = 16  # of every constant array, as they are rendered
_FIELD_BYTES = 4  # of every field of a parameter struct


def predict(plan: Plan, costs: CostTable | None) -> Prediction:
    """Sizes, instructions and time of one inference; None for what the table does not cover.

    Instructions and cycles are exact up to what depends on the data, such as which way a
    rounding goes. Cycles count no wait state of the memory. The stack is a bound.
    """
    known = [_cost(planned, costs) for planned in plan.calls]
    program = None if costs is None else costs.programs.get(plan.target.build)
    spent = [
        None
        if cost is None
        else spent_by(cost, call_names(planned.lowered, plan.graph, planned.call))
        for planned, cost in zip(plan.calls, known, strict=True)
    ]
    calls = [
        CallCost(instructions=None, cycles=None)
        if one is None
        else CallCost(instructions=_rounded(one.instructions), cycles=_rounded(one.cycles))
        for one in spent
    ]
    nanoseconds = [None if one is None else one.nanoseconds for one in spent]
    base = None if program is None else program.instructions
    cycles_total = _sum([base, *(call.cycles for call in calls)])
    names = program_names(plan)
    stack_bytes, code_bytes = _sizes(names, costs, program, _used(plan, known))
    return Prediction(
        calls=tuple(calls),
        instructions=_rounded(_sum([base, *(call.instructions for call in calls)])),
        cycles=_rounded(cycles_total),
        latency_s=_latency_s(plan, cycles_total, _sum(nanoseconds)),
        arena_bytes=plan.arena_bytes,
        data_bytes=None if program is None else _rounded(_value(program.data_bytes, names)),
        bss_bytes=None if program is None else program.bss_bytes,
        stack_bytes=stack_bytes,
        reserved_stack_bytes=plan.target.stack_bytes
        or (None if program is None else program.reserved_stack_bytes),
        code_bytes=code_bytes,
        weight_bytes=plan.weight_bytes,
        unknown=tuple(
            sorted(
                {
                    planned.variant.symbol
                    for planned, cost in zip(plan.calls, known, strict=True)
                    if cost is None
                }
            )
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one kernel call takes; None for what its core is not measured in."""

    instructions: float | None
    cycles: float | None
    nanoseconds: float | None


def spent_by(cost: KernelCost, names: Names) -> Spent:
    """What a kernel takes for a call with these numbers."""
    return Spent(
        instructions=_value(cost.instructions, names),
        cycles=_value(cost.cycles, names),
        nanoseconds=_value(cost.nanoseconds, names),
    )


def program_names(plan: Plan) -> Names:
    """What the linear functions of a program are over; see `names_of_program`."""
    return names_of_program(
        plan.name,
        plan.graph,
        [(planned.call, planned.scratch_offset is not None) for planned in plan.calls],
    ) | {"weight_bytes": plan.weight_bytes}


def names_of_program(
    name: str, graph: Graph, calls: Sequence[tuple[KernelCall, bool]]
) -> dict[str, int | float]:
    """What the linear functions of a program are over, but for the bytes of the weights.

    padding: bytes between the constant arrays; field_bytes: of the parameter structs;
    argument_words: pointers that calls pass; deepest_arguments: of the call with the most;
    port_text: characters of the names of inputs and outputs. calls: as their kernels take
    them, and whether with scratch memory.
    """
    ports = (*graph.inputs, *graph.outputs)
    tensors = {i for call, _ in calls for i in call.inputs if graph.tensors[i].is_constant}
    arrays = [graph.tensors[index].n_bytes for index in sorted(tensors)]
    constants = dict.fromkeys(constant for call, _ in calls for constant in call.constants)
    arrays += [len(constant.data) for constant in constants]
    arguments = [
        1 + len(call.inputs) + len(call.constants) + len(call.outputs) + has_scratch
        for call, has_scratch in calls
    ]
    return {
        "calls": len(calls),
        "argument_words": sum(arguments),
        "deepest_arguments": max(arguments, default=0),
        "field_bytes": sum(_FIELD_BYTES * len(call.parameters) for call, _ in calls),
        "padding": sum(-n_bytes % _CONSTANT_ALIGNMENT for n_bytes in arrays),
        "arrays": len(arrays),
        "ports": len(ports),
        "port_text": sum(len(graph.tensors[index].name) for index in ports),
        "name_length": len(name),
    }


def _cost(planned: PlannedCall, costs: CostTable | None) -> KernelCost | None:
    if costs is None:
        return None
    return costs.kernel(planned.variant, is_specialised=planned.is_specialised)


def _used(plan: Plan, known: Sequence[KernelCost | None]) -> list[KernelCost] | None:
    """The costs of the kernels in use, one that calls share once; None where one is not known."""
    found: dict[tuple[str, int | None], KernelCost] = {}
    for number, (planned, cost) in enumerate(zip(plan.calls, known, strict=True)):
        if cost is None:
            return None
        found[planned.variant.symbol, number if planned.is_specialised else None] = cost
    return list(found.values())


def _sizes(
    names: Names,
    costs: CostTable | None,
    program: ProgramCost | None,
    kernels: list[KernelCost] | None,
) -> tuple[int | None, int | None]:
    """Bytes of stack and of code."""
    if costs is None or program is None or kernels is None:
        return None, None
    stack = evaluate_linear(program.stack_bytes, names)
    code = evaluate_linear(program.code_bytes, names)
    helpers = set(program.helpers).union(*(kernel.helpers for kernel in kernels))
    if stack is None or code is None or helpers - costs.helpers.keys():
        return None, None
    code += sum(kernel.code_bytes for kernel in kernels)
    code += sum(costs.helpers[helper].code_bytes for helper in helpers)
    stack += max((kernel.stack_bytes for kernel in kernels), default=0)
    return max(math.ceil(stack), program.least_stack_bytes), round(code)


def _latency_s(plan: Plan, cycles: float | None, nanoseconds: float | None) -> float | None:
    clock_hz = plan.target.clock_hz
    if cycles is not None and clock_hz:
        return cycles / clock_hz
    return None if nanoseconds is None else nanoseconds * 1e-9


def _value(linear: Linear | None, names: Names) -> float | None:
    return None if linear is None else evaluate_linear(linear, names)


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
