"""Common subexpressions: one operator instead of two that compute the same from the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from anvil.core.graph import Op
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft


def apply(draft: Draft, _definitions: Mapping[str, OperatorDefinition]) -> int:
    """Let readers of the second read the first, wherever ports allow it."""
    n_merged = 0
    # A merge renames what later operators read, so that the search starts anew.
    while _merge_one(draft):
        n_merged += 1
    return n_merged


def _merge_one(draft: Draft) -> bool:
    seen: dict[Hashable, Op] = {}
    for op in draft.ops:
        if len(op.outputs) == 1:
            first = seen.setdefault(_key(draft, op), op)
            if first is not op and _merge(draft, first.outputs[0], op):
                return True
    return False


def _merge(draft: Draft, kept: int, op: Op) -> bool:
    result = op.outputs[0]
    if not draft.is_output(result):
        draft.ops.remove(op)
        draft.reroute(result, kept)
        return True
    producer = draft.producer(kept)
    if producer is None or draft.is_output(kept):
        return False
    draft.ops.remove(op)
    draft.put(producer, replace(producer, outputs=(result,)))
    draft.reroute(kept, result)
    return True


def _key(draft: Draft, op: Op) -> Hashable:
    """Equal for operators with equal results; constants count by content, not by index."""
    inputs: list[Hashable] = []
    for index in op.inputs:
        tensor = None if index == ABSENT else draft.tensors[index]
        if tensor is None or tensor.data is None:
            inputs.append(index)
        else:
            inputs.append((tensor.dtype, tensor.shape, tensor.quantization, tensor.data))
    output = draft.tensors[op.outputs[0]]
    return (
        op.kind,
        op.attributes,
        tuple(inputs),
        (output.dtype, output.shape, output.quantization),
    )
