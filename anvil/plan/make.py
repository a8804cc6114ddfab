"""Graph and target -> plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.plan import MemoryStrategy, Plan, PlannedCall
from anvil.plan.bands import Banded, in_bands, stages
from anvil.plan.halves import expand_halves
from anvil.plan.memory import ArenaLayout, CallMemory, least_bytes, plan_memory
from anvil.plan.needs import needs
from anvil.plan.overlap import as_walked, in_place_inputs, smallest_distances
from anvil.plan.select import Choice, Feasible, Option, feasible
from anvil.plan.weigh import Weighing, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anvil.core.decision import Criterion
    from anvil.core.graph import Graph
    from anvil.core.plan import KernelCall, Variant
    from anvil.core.target import Target
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.costs import CostTable

    _Options = Callable[[Banded], list[Feasible]]


def make_plan(
    graph: Graph,
    *,
    name: str,
    target: Target,
    variants: Sequence[Variant],
    definitions: Mapping[str, OperatorDefinition],
    model_sha256: str,
    candidate: str = "int8",
    strategy: MemoryStrategy = MemoryStrategy(),  # noqa: B008  frozen
    costs: CostTable | None = None,
    order: Sequence[Criterion] = (),
) -> Plan:
    """Lower every operator, choose its kernels and lay out the arena.

    costs, order: what kernels are weighed by; without costs the first of kernels.yaml that
    fits is taken. Raises AnvilError where an operator has no kernel for this core.
    """
    graph = expand_halves(graph, definitions)
    aliases = {op.outputs[0]: op.inputs[0] for op in graph.ops if definitions[op.kind].is_alias}
    _refuse_constant_outputs(graph, aliases)
    lowered = [
        (op, _through_aliases(call, aliases))
        for op in graph.ops
        for call in definitions[op.kind].lower(op, graph)
    ]
    given = Banded(graph=graph, lowered=tuple(lowered), slices={})
    options = partial(_feasible, variants=variants, target=target)
    weighing = Weighing(name=name, target=target, costs=costs, order=tuple(order))
    work = _best(given, options, aliases, strategy, weighing)
    layout = work.layout
    return Plan(
        name=name,
        target=target,
        candidate=candidate,
        graph=work.calls.graph,
        calls=tuple(
            PlannedCall(
                op_index=op.index,
                op_kind=op.kind,
                lowered=call,
                call=choice.option.call,
                variant=choice.option.variant,
                scratch_offset=_scratch_offset(choice.option, offset),
                scratch_bytes=choice.option.scratch_bytes,
                is_specialised=choice.option.is_specialised,
            )
            for (op, call), choice, offset in zip(
                [work.calls.lowered[number] for number in layout.order],
                [work.choices[number] for number in layout.order],
                layout.scratch_offsets,
                strict=True,
            )
        ),
        allocations=layout.allocations,
        arena_bytes=layout.arena_bytes,
        arena_lower_bound_bytes=layout.lower_bound_bytes,
        arena_proved_optimal=layout.arena_bytes == layout.lower_bound_bytes,
        rejected=tuple(rejection for choice in work.choices for rejection in choice.rejected),
        model_sha256=model_sha256,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is called, with which kernels, and where its memory lies."""

    calls: Banded
    choices: Sequence[Choice]
    layout: ArenaLayout


def _best(
    given: Banded,
    options: _Options,
    aliases: Mapping[int, int],
    strategy: MemoryStrategy,
    weighing: Weighing,
) -> _Work:
    """The calls as they are, or with the stage in bands whose arena is the smallest."""
    choices = _weighed(given, options(given), aliases, weighing)
    memory = _memory(given, choices)
    layout = plan_memory(given.graph, memory, aliases, strategy)
    best = _Work(calls=given, choices=choices, layout=layout)
    taken = {
        (op.index, call.op): choice.option
        for (op, call), choice in zip(given.lowered, choices, strict=True)
    }
    trials = []
    for n_ops in stages(given.graph, given.lowered) if strategy.bands > 1 else ():
        calls = in_bands(given.graph, given.lowered, n_ops, strategy.bands)
        if calls is None:
            continue
        choices = _as_before(calls, options(calls), taken)
        memory = _memory(calls, choices)
        if not any(
            first % one.alignment_bytes
            for one in memory
            for tensor in (*one.inputs, *one.outputs)
            for _, first in [calls.slices.get(tensor, (0, 0))]
        ):
            least = least_bytes(
                calls.graph,
                memory,
                aliases,
                slices=calls.slices,
                overlap=strategy.overlap,
                most_bytes=best.layout.arena_bytes,
            )
            trials.append((least, n_ops, calls, choices, memory))
    for least, _, calls, choices, memory in sorted(trials, key=lambda trial: trial[:2]):
        if least < best.layout.arena_bytes:
            layout = plan_memory(calls.graph, memory, aliases, strategy, calls.slices)
            if layout.arena_bytes < best.layout.arena_bytes:
                best = _Work(calls=calls, choices=choices, layout=layout)
    return best


def _root(tensor: int, aliases: Mapping[int, int]) -> int:
    while tensor in aliases:
        tensor = aliases[tensor]
    return tensor


def _through_aliases(call: KernelCall, aliases: Mapping[int, int]) -> KernelCall:
    # An alias of a constant has no memory of its own: its reader takes the constant.
    return replace(call, inputs=tuple(_root(tensor, aliases) for tensor in call.inputs))


def _refuse_constant_outputs(graph: Graph, aliases: Mapping[int, int]) -> None:
    mistakes = [
        Diagnostic(
            code="model.unsupported",
            message=f"output {number} ({graph.tensors[tensor].name}) is the same for every input",
            hint="remove it from the model's outputs",
        )
        for number, tensor in enumerate(graph.outputs)
        if graph.tensors[_root(tensor, aliases)].is_constant
    ]
    if mistakes:
        raise AnvilError(*mistakes)


def _feasible(calls: Banded, *, variants: Sequence[Variant], target: Target) -> list[Feasible]:
    """What can run each call. Raises AnvilError with every call that nothing can run."""
    features = frozenset(target.core.features)
    found: list[Feasible] = []
    mistakes: list[Diagnostic] = []
    for op, call in calls.lowered:
        try:
            options = feasible(call, op.index, variants, features)
            if not isinstance(options, str):
                found.append(options)
                continue
        except ValueError as error:
            options = str(error)
        mistakes.append(
            Diagnostic(
                code="plan.no-kernel",
                message=f"op {op.index} {op.kind} on {target.name}: {options}",
                file=f"kernels/{call.op}/kernels.yaml",
            )
        )
    if mistakes:
        raise AnvilError(*mistakes, exit_code=ExitCode.BAD_INPUT)
    return found


def _weighed(
    calls: Banded, found: Sequence[Feasible], aliases: Mapping[int, int], weighing: Weighing
) -> list[Choice]:
    lowered = [call for _, call in calls.lowered]
    lives = needs(calls.graph, lowered, aliases)

    def need(number: int, option: Option) -> int:
        return lives.of(number, _memory_of(lowered[number], option, calls.graph))

    return weigh(calls.graph, calls.lowered, found, need, weighing)


def _as_before(
    calls: Banded, found: Sequence[Feasible], taken: Mapping[tuple[int, str], Option]
) -> list[Choice]:
    """The kernels that the whole operators were given, for their bands, where they fit those."""
    choices = []
    for (op, call), one in zip(calls.lowered, found, strict=True):
        before = taken[op.index, call.op]
        same = [option for option in one.options if option.variant is before.variant]
        option = same[0] if same else one.options[0]
        choices.append(Choice(option=option, rejected=one.rejected))
    return choices


def _scratch_offset(option: Option, offset: int | None) -> int | None:
    """Where a kernel's scratch lies; the arena's beginning where this call needs none of it."""
    return 0 if offset is None and option.variant.takes_scratch else offset


def _memory(calls: Banded, choices: Sequence[Choice]) -> list[CallMemory]:
    return [
        _memory_of(call, choice.option, calls.graph)
        for (_, call), choice in zip(calls.lowered, choices, strict=True)
    ]


def _memory_of(call: KernelCall, option: Option, graph: Graph) -> CallMemory:
    traversal, walked = option.variant.traversal, as_walked(call, option.call)
    return CallMemory(
        inputs=call.inputs,
        outputs=call.outputs,
        scratch_bytes=option.scratch_bytes,
        alignment_bytes=option.variant.alignment_bytes,
        distances=tuple(smallest_distances(traversal, walked, graph.tensors).items()),
        in_place=in_place_inputs(traversal, walked, graph.tensors),
    )
