"""Graph and target -> plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.plan import MemoryStrategy, Plan, PlannedCall
from anvil.plan.halves import expand_halves
from anvil.plan.memory import CallMemory, plan_memory
from anvil.plan.overlap import smallest_distances
from anvil.plan.select import Choice, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall, Variant
    from anvil.core.target import Target
    from anvil.ops.definition import OperatorDefinition


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
    choices, memory = _choose(lowered, variants, target, graph)
    layout = plan_memory(graph, memory, aliases, strategy)
    return Plan(
        name=name,
        target=target,
        candidate=candidate,
        graph=graph,
        calls=tuple(
            PlannedCall(
                op_index=op.index,
                op_kind=op.kind,
                call=call,
                variant=choice.variant,
                scratch_offset=offset,
                scratch_bytes=choice.scratch_bytes,
            )
            for (op, call), choice, offset in zip(
                [lowered[number] for number in layout.order],
                [choices[number] for number in layout.order],
                layout.scratch_offsets,
                strict=True,
            )
        ),
        allocations=layout.allocations,
        arena_bytes=layout.arena_bytes,
        arena_lower_bound_bytes=layout.lower_bound_bytes,
        arena_proved_optimal=layout.arena_bytes == layout.lower_bound_bytes,
        rejected=tuple(rejection for choice in choices for rejection in choice.rejected),
        model_sha256=model_sha256,
    )


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
    lowered: Sequence[tuple[Op, KernelCall]],
    variants: Sequence[Variant],
    target: Target,
    graph: Graph,
) -> tuple[list[Choice], list[CallMemory]]:
    features = frozenset(target.core.features)
    choices: list[Choice] = []
    memory: list[CallMemory] = []
    mistakes: list[Diagnostic] = []
    for op, call in lowered:
        try:
            choice = select(call, op.index, variants, features)
            if not isinstance(choice, str):
                choices.append(choice)
                memory.append(_memory_of(call, choice, graph))
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
