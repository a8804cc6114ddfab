"""The rewrites in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.rewrite import Origin, Rewritten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Graph
    from anvil.ops.definition import OperatorDefinition


def rewrite(
    graph: Graph,
    definitions: Mapping[str, OperatorDefinition],
    *,
    disabled: frozenset[str] = frozenset(),
) -> Rewritten:
    """The graph as it is: there are no rewrites yet."""
    del definitions, disabled
    return Rewritten(
        graph=graph,
        origins=tuple(Origin(tensor=index) for index in range(len(graph.tensors))),
        applied=(),
    )
