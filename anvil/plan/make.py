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
from anvil.plan.overlap import smallest_distances
from anvil.plan.select import Choice, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import KernelCall, Variant
    from anvil.core.target import Target
    from anvil.ops.definition import OperatorDefinition

    _Choose = Callable[[Banded], tuple[list[Choice], list[CallMemory]]]


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
) -> Plan:
    """Lower every operator, choose its kernels and lay out the arena.

    Raises AnvilError where an operator has no kernel for this core.
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
    choose = partial(_choose, variants=variants, target=target)
    work = _best(given, choose, aliases, strategy)
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
                call=choice.call,
                variant=choice.variant,
                scratch_offset=offset,
                scratch_bytes=choice.scratch_bytes,
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
    given: Banded, choose: _Choose, aliases: Mapping[int, int], strategy: MemoryStrategy
) -> _Work:
    """The calls as they are, or with the stage in bands whose arena is the smallest."""
    choices, memory = choose(given)
    layout = plan_memory(given.graph, memory, aliases, strategy)
    best = _Work(calls=given, choices=choices, layout=layout)
    trials = []
    for n_ops in stages(given.graph, given.lowered) if strategy.bands > 1 else ():
        calls = in_bands(given.graph, given.lowered, n_ops, strategy.bands)
        if calls is None:
            continue
        choices, memory = choose(calls)
        if not any(
            first % needs.alignment_bytes
            for needs in memory
            for tensor in (*needs.inputs, *needs.outputs)
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


def _choose(
    calls: Banded, *, variants: Sequence[Variant], target: Target
) -> tuple[list[Choice], list[CallMemory]]:
    features = frozenset(target.core.features)
    choices: list[Choice] = []
    memory: list[CallMemory] = []
    mistakes: list[Diagnostic] = []
    for op, call in calls.lowered:
        try:
            choice = select(call, op.index, variants, features)
            if not isinstance(choice, str):
                choices.append(choice)
                memory.append(_memory_of(call, choice, calls.graph))
                continue
        except ValueError as error:
            choice = str(error)
        mistakes.append(
            Diagnostic(
                code="plan.no-kernel",
                message=f"op {op.index} {op.kind} on {target.name}: {choice}",
                file=f"kernels/{call.op}/kernels.yaml",
            )
        )
    if mistakes:
        raise AnvilError(*mistakes, exit_code=ExitCode.BAD_INPUT)
    return choices, memory


def _memory_of(call: KernelCall, choice: Choice, graph: Graph) -> CallMemory:
    return CallMemory(
        inputs=call.inputs,
        outputs=call.outputs,
        scratch_bytes=choice.scratch_bytes,
        alignment_bytes=choice.variant.alignment_bytes,
        distances=tuple(smallest_distances(choice.variant.traversal, call, graph.tensors).items()),
    )
