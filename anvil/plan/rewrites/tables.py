"""Functions of one int8 tensor, element by element, as one table of 256 results.

Three things become a table: a chain of such functions; ADD and MUL with one constant value; and
ADD and MUL of a tensor with itself or with a function of itself, as x * relu6(x + 3) spells a
hard swish. The table holds what the operators' references give for each of the 256 values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.graph import Op
from anvil.core.tensor import DType
from anvil.ops.lookup_table import int8_values, look_up
from anvil.plan.rewrites.bounds import ELEMENTWISE, table_of
from anvil.plan.rewrites.evaluate import constant_tensor, evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.graph import Graph
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft

    Table = npt.NDArray[np.int8]

# They are tables already when they are lowered.
_LOWERED_TO_TABLES = {"RELU", "RELU6", "LOGISTIC", "TANH", "QUANTIZE", "ANVIL_TABLE"}
_BINARY = {"ADD", "SUB", "MUL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    """What an operator computes: for each element of tensor `source` the table's result."""

    source: int
    table: Table


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Compose one operator with those before it, until there is none to compose."""
    n_changed = 0
    while _compose_one(draft, definitions):
        n_changed += 1
    return n_changed


def _compose_one(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> bool:
    graph = draft.graph()
    functions: dict[int, _Function] = {}
    for op in graph.ops:
        if op.kind not in ELEMENTWISE or graph.tensors[op.outputs[0]].dtype is not DType.INT8:
            continue
        own = _function_of(op, graph, definitions, functions)
        if own is None:
            continue
        functions[op.outputs[0]] = own
        composed = _absorbed(draft, own, functions)
        if composed is not own or _is_worth_it(op, own):
            _put(draft, op, composed)
            return True
    return False


def _is_worth_it(op: Op, own: _Function) -> bool:
    return op.kind not in _LOWERED_TO_TABLES or op.inputs[0] != own.source


def _function_of(
    op: Op,
    graph: Graph,
    definitions: Mapping[str, OperatorDefinition],
    functions: Mapping[int, _Function],
) -> _Function | None:
    """The op as a function of what it reads, or of what that is a function of."""
    computed = {index for index in op.inputs if not graph.tensors[index].is_constant}
    if len(computed) == 1:
        (source,) = computed
        if graph.tensors[source].dtype is not DType.INT8:
            return _through_float(op, graph, definitions)
        table = table_of(op, graph, definitions[op.kind])
        return None if table is None else _Function(source=source, table=table)
    if op.kind not in _BINARY or len(computed) != 2:
        return None
    return _of_common_source(op, graph, definitions, functions)


def _of_common_source(
    op: Op,
    graph: Graph,
    definitions: Mapping[str, OperatorDefinition],
    functions: Mapping[int, _Function],
) -> _Function | None:
    """ADD or MUL of x and f(x), or of f(x) and g(x), without broadcasting."""
    result = graph.tensors[op.outputs[0]]
    if any(graph.tensors[index].shape != result.shape for index in op.inputs):
        return None
    values = int8_values().astype(np.int8)
    identities = {index: _Function(source=index, table=values) for index in op.inputs}
    first, second = (
        [identities[index], *([functions[index]] if index in functions else [])]
        for index in op.inputs
    )
    for one in first:
        for other in second:
            if one.source == other.source:
                operands = [
                    (graph.tensors[index], function.table)
                    for index, function in zip(op.inputs, (one, other), strict=True)
                ]
                table = evaluate(definitions[op.kind], op, operands, result, values.shape)
                return _Function(source=one.source, table=table.astype(np.int8))
    return None


def _through_float(
    op: Op, graph: Graph, definitions: Mapping[str, OperatorDefinition]
) -> _Function | None:
    """QUANTIZE of a DEQUANTIZE: one rounding in float32, the same on every IEEE 754 machine."""
    if op.kind != "QUANTIZE":
        return None
    before = next((o for o in graph.ops if op.inputs[0] in o.outputs), None)
    if before is None or before.kind != "DEQUANTIZE":
        return None
    source, real = graph.tensors[before.inputs[0]], graph.tensors[op.inputs[0]]
    if source.dtype is not DType.INT8:
        return None
    values = int8_values().astype(np.int8)
    floats = evaluate(definitions[before.kind], before, [(source, values)], real, values.shape)
    result = graph.tensors[op.outputs[0]]
    table = evaluate(definitions[op.kind], op, [(real, floats)], result, values.shape)
    return _Function(source=before.inputs[0], table=table.astype(np.int8))


def _absorbed(draft: Draft, own: _Function, functions: Mapping[int, _Function]) -> _Function:
    """`own` after the function before it, if nothing else needs that one's result."""
    before = functions.get(own.source)
    if before is None or draft.is_output(own.source) or len(draft.readers(own.source)) > 1:
        return own
    return _Function(source=before.source, table=look_up(own.table, before.table))


def _put(draft: Draft, op: Op, function: _Function) -> None:
    table = draft.add(constant_tensor(f"{draft.tensors[op.outputs[0]].name}/table", function.table))
    draft.put(
        op,
        Op(
            index=op.index,
            kind="ANVIL_TABLE",
            inputs=(function.source, table),
            outputs=op.outputs,
        ),
    )
    for index in op.inputs:
        if not draft.tensors[index].is_constant:
            draft.release(index)
