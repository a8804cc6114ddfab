"""Operators that change nothing, and reshapes of reshapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Activation, Pool2DAttributes
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.lookup_table import int8_values
from anvil.plan.rewrites.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft

_FLOATS = {DType.FLOAT16, DType.FLOAT32, DType.FLOAT64}
_POOLS = {"AVERAGE_POOL_2D", "MAX_POOL_2D"}


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Shorten one chain after the other."""
    n_changed = 0
    # A shorter chain may be an identity, so that the search starts anew.
    while any(_shorten(draft, op, definitions) for op in tuple(draft.ops)):
        n_changed += 1
    return n_changed


def _shorten(draft: Draft, op: Op, definitions: Mapping[str, OperatorDefinition]) -> bool:
    if _is_identity(draft, op):
        return draft.bypass(op)
    before = draft.producer(op.inputs[0])
    if before is None:
        return False
    if op.kind == before.kind == "RESHAPE" or _is_round_trip(draft, before, op, definitions):
        draft.put(op, replace(op, inputs=(before.inputs[0], *op.inputs[1:])))
        draft.release(before.outputs[0])
        return True
    return False


def same_values(one: Tensor, other: Tensor) -> bool:
    """Whether equal bytes mean equal numbers in both: type, scales and zero points."""
    if one.dtype is not other.dtype:
        return False
    return one.dtype in _FLOATS or one.quantization == other.quantization


def _is_identity(draft: Draft, op: Op) -> bool:
    source, result = draft.tensors[op.inputs[0]], draft.tensors[op.outputs[0]]
    if source.shape != result.shape or not same_values(source, result):
        return False
    if op.kind in _POOLS:
        attributes = op.attributes
        # A float pool clamps infinities, with no activation too.
        return (
            source.dtype not in _FLOATS
            and isinstance(attributes, Pool2DAttributes)
            and attributes.activation is Activation.NONE
            and {attributes.filter_h, attributes.filter_w} == {1}
        )
    if op.kind == "ANVIL_TABLE":
        return bool(np.array_equal(array_of(draft.tensors[op.inputs[1]]), int8_values()))
    # Of the others, equal shapes mean that nothing is added: no margin, no second input.
    return op.kind in {"QUANTIZE", "RESHAPE", "PAD"} or (
        op.kind == "CONCATENATION" and len(op.inputs) == 1
    )


def _is_round_trip(
    draft: Draft, before: Op, op: Op, definitions: Mapping[str, OperatorDefinition]
) -> bool:
    """Whether DEQUANTIZE and then QUANTIZE give back each of the 256 values.

    The division may round to a neighbour only for scales at the ends of float32, and all 256
    are tried.
    """
    if (before.kind, op.kind) != ("DEQUANTIZE", "QUANTIZE"):
        return False
    source, real, result = (
        draft.tensors[index] for index in (before.inputs[0], op.inputs[0], op.outputs[0])
    )
    if source.dtype is not DType.INT8 or not same_values(source, result):
        return False
    values = int8_values().astype(np.int8)
    floats = evaluate(definitions[before.kind], before, [(source, values)], real, values.shape)
    back = evaluate(definitions[op.kind], op, [(real, floats)], result, values.shape)
    return bool(np.array_equal(back, values))
