"""Graph -> a graph with the same outputs, bit for bit, that costs less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.rewrite import AppliedRewrite, Rewritten
from anvil.plan.rewrites import NAMES, check_names
from anvil.plan.rewrites.draft import Draft
from anvil.plan.rewrites.registry import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Graph
    from anvil.ops.definition import OperatorDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a graph's kernel calls take, before any kernel is chosen."""

    macs: int
    weight_bytes: int  # of constant arrays and tensors that calls read
    n_ops: int


def rewrite(
    graph: Graph,
    definitions: Mapping[str, OperatorDefinition],
    *,
    disabled: frozenset[str] = frozenset(),
) -> Rewritten:
    """Apply every rewrite that is not disabled until none finds anything.

    Inputs and outputs keep their order, names, shapes and quantization, and every output its
    bits (float outputs included). A rewrite that found nothing is not among `applied`.
    Raises AnvilError where `disabled` holds a name that is none.
    """
    check_names(sorted(disabled))
    draft = Draft(graph)
    enabled = [name for name in NAMES if name not in disabled]
    n_sites = dict.fromkeys(NAMES, 0)
    saved = {name: Cost(macs=0, weight_bytes=0, n_ops=0) for name in NAMES}
    before = cost_of(graph, definitions)
    # Each rewrite takes away something that none gives back, so that this ends; and it leaves
    # nothing for itself, so that one that changed the graph last need not look again.
    quiet = 0
    while quiet < len(enabled):
        for name in enabled:
            n_changed = FUNCTIONS[name](draft, definitions)
            quiet = 1 if n_changed else quiet + 1
            if n_changed:
                after = cost_of(draft.graph(), definitions)
                n_sites[name] += n_changed
                saved[name] = _plus_difference(saved[name], before, after)
                before = after
            if quiet >= len(enabled):
                break
    finished, origins = draft.finish()
    _verify(finished, definitions)
    return Rewritten(
        graph=finished,
        origins=origins,
        applied=tuple(
            AppliedRewrite(
                name=name,
                n_applied=n_sites[name],
                macs_saved=saved[name].macs,
                weight_bytes_saved=saved[name].weight_bytes,
                ops_saved=saved[name].n_ops,
            )
            for name in NAMES
            if n_sites[name]
        ),
    )


def cost_of(graph: Graph, definitions: Mapping[str, OperatorDefinition]) -> Cost:
    """The cost of the calls that the graph is lowered to."""
    calls = [call for op in graph.ops for call in definitions[op.kind].lower(op, graph)]
    tensors = {index for call in calls for index in call.inputs if graph.tensors[index].is_constant}
    return Cost(
        macs=sum(call.n_macs for call in calls),
        weight_bytes=sum(len(c.data) for call in calls for c in call.constants)
        + sum(graph.tensors[index].n_bytes for index in tensors),
        n_ops=len(graph.ops),
    )


def _plus_difference(total: Cost, before: Cost, after: Cost) -> Cost:
    return Cost(
        macs=total.macs + before.macs - after.macs,
        weight_bytes=total.weight_bytes + before.weight_bytes - after.weight_bytes,
        n_ops=total.n_ops + before.n_ops - after.n_ops,
    )


def _verify(graph: Graph, definitions: Mapping[str, OperatorDefinition]) -> None:
    """A rewritten operator is one that its definition supports; anything else is a defect."""
    for op in graph.ops:
        problems = definitions[op.kind].check(op, graph)
        if problems:
            msg = f"a rewrite left op {op.index} {op.kind} as it is not supported: {problems[0]}"
            raise ValueError(msg)
