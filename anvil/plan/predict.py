"""What a plan will cost, from the cost table of its core and toolchain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anvil.core.prediction import CallCost, Prediction
from anvil.plan.features import call_names, evaluate_linear

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anvil.core.plan import Plan
    from anvil.plan.costs import CostTable, KernelCost, ProgramCost
    from anvil.plan.features import Linear, Names

_CONSTANT_ALIGNMENT = 16  # of every constant array, as they are rendered
_FIELD_BYTES = 4  # of every field of a parameter struct


def predict(plan: Plan, costs: CostTable | None) -> Prediction:
    """Sizes, instructions and time of one inference; None for what the table does not cover.

    Instructions and cycles are exact up to what depends on the data, such as which way a
    rounding goes. Cycles count no wait state of the memory. The stack is a bound.
    """
    known = _known(plan, costs)
    program = None if costs is None else costs.programs.get(plan.target.build)
    calls = []
    nanoseconds: list[float | None] = []
    for planned in plan.calls:
        cost = known.get(planned.variant.symbol)
        call = {} if cost is None else call_names(planned.lowered, plan.graph)
        instructions, cycles, spent = (
            _value(linear, call)
            for linear in (
                (None, None, None)
                if cost is None
                else (cost.instructions, cost.cycles, cost.nanoseconds)
            )
        )
        calls.append(CallCost(instructions=_rounded(instructions), cycles=_rounded(cycles)))
        nanoseconds.append(spent)
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
        unknown=tuple(sorted({p.variant.symbol for p in plan.calls} - known.keys())),
    )


def program_names(plan: Plan) -> Names:
    """What the linear functions of a program are over.

    padding: bytes between the constant arrays; field_bytes: of the parameter structs;
    argument_words: pointers that calls pass; deepest_arguments: of the call with the most;
    port_text: characters of the names of inputs and outputs.
    """
    graph = plan.graph
    ports = (*graph.inputs, *graph.outputs)
    tensors = {i for p in plan.calls for i in p.call.inputs if graph.tensors[i].is_constant}
    arrays = [graph.tensors[index].n_bytes for index in sorted(tensors)]
    constants = dict.fromkeys(constant for p in plan.calls for constant in p.call.constants)
    arrays += [len(constant.data) for constant in constants]
    arguments = [
        1
        + len(p.call.inputs)
        + len(p.call.constants)
        + len(p.call.outputs)
        + (p.scratch_offset is not None)
        for p in plan.calls
    ]
    return {
        "calls": len(plan.calls),
        "argument_words": sum(arguments),
        "deepest_arguments": max(arguments, default=0),
        "field_bytes": sum(_FIELD_BYTES * len(p.call.parameters) for p in plan.calls),
        "padding": sum(-n_bytes % _CONSTANT_ALIGNMENT for n_bytes in arrays),
        "arrays": len(arrays),
        "ports": len(ports),
        "port_text": sum(len(graph.tensors[index].name) for index in ports),
        "name_length": len(plan.name),
        "weight_bytes": plan.weight_bytes,
    }


def _known(plan: Plan, costs: CostTable | None) -> dict[str, KernelCost]:
    """The costs of the plan's variants, where they were measured on the same source."""
    if costs is None:
        return {}
    return {
        p.variant.symbol: costs.kernels[p.variant.symbol]
        for p in plan.calls
        if p.variant.symbol in costs.kernels
        and costs.kernels[p.variant.symbol].source_digest == p.variant.digest
    }


def _used(plan: Plan, known: dict[str, KernelCost]) -> list[KernelCost] | None:
    """The costs of the kernels in use, each once; None where one is not known."""
    symbols = sorted({planned.variant.symbol for planned in plan.calls})
    return None if set(symbols) - known.keys() else [known[symbol] for symbol in symbols]


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
