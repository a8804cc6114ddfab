"""ANVIL_TABLE: any function of each element of one int8 tensor, as a table of 256 results.

No file has it: the planner puts it in place of operators (anvil/plan/rewrites/tables.py). Its
second input is the table, a constant of shape (256,) and type int8 in the order of the lookup
kernel: the results of 0 to 127, then those of -128 to -1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.checks import (
    arity_problems,
    constant_problems,
    input_tensors,
    int8_problems,
    output_tensor,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import unary_shapes
from anvil.ops.lookup_table import look_up, lookup_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.ops.definition import Array

_N_RESULTS = 256


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one int8 tensor, a constant table of 256, and an int8 output."""
    problems = arity_problems(op, least=2, most=2)
    if problems:
        return problems
    source, table = input_tensors(op, graph)
    output = output_tensor(op, graph)
    problems = int8_problems("input", source) + int8_problems("output", output)
    problems += constant_problems("table", table, (DType.INT8,))
    if table.shape != (_N_RESULTS,):
        problems.append(
            f"its table has shape {list(table.shape)}; it has a result for each of the "
            f"{_N_RESULTS} values of int8"
        )
    return problems + shape_problems(output, source.shape)


def reference(_op: Op, _graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """int8, of the input's shape."""
    values, table = inputs
    assert values is not None
    assert table is not None
    return (look_up(table.astype(np.int8), values),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One look-up."""
    table = array_of(graph.tensors[op.inputs[1]])
    return (lookup_call(op, graph, table),)


DEFINITION = OperatorDefinition(
    kind="ANVIL_TABLE",
    folder="lookup",
    is_alias=False,
    check=check,
    infer_shapes=unary_shapes,
    reference=reference,
    lower=lower,
)
