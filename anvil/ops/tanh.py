"""TANH: the hyperbolic tangent, on int16 an interpolated table of the sigmoid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.core.tolerance import Tolerance
from anvil.ops.checks import data_problems, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import elementwise_call, unary_problems, unary_shapes
from anvil.ops.sigmoid_table import sigmoid, table_call, table_problems, table_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.ops.definition import Array

_PIECE_BITS = 8  # 256 steps of 1/12288 are 1/24 in 2 * x


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but float32, and int16 with one scale each and an output scale of 1/32768."""
    problems = unary_problems(op, graph)
    if problems:
        return problems
    problems = data_problems(op, graph, dtypes=(DType.INT16, DType.FLOAT32))
    if problems or output_tensor(op, graph).dtype is DType.FLOAT32:
        return problems
    return table_problems(op, graph)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Of the input's shape and type; int16 with scale 1/32768."""
    (values,) = inputs
    assert values is not None
    if output_tensor(op, graph).dtype is DType.FLOAT32:
        return (np.tanh(values.astype(np.float32)),)
    return (_int16_reference(table_steps(op, graph, values)),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call over all elements."""
    if output_tensor(op, graph).dtype is DType.FLOAT32:
        return (elementwise_call(op, graph),)
    return (table_call(op, graph),)


def _int16_reference(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    # tanh(x) = 2 * sigmoid(2 * x) - 1
    centred = sigmoid(np.abs(steps), _PIECE_BITS, (2**16 - 1) << 8) - (1 << 23)
    half = 1 << 7
    rounded: npt.NDArray[np.int64] = np.where(steps >= 0, centred + half, half - 1 - centred)
    return (rounded >> 8).astype(np.int16)


DEFINITION = OperatorDefinition(
    kind="TANH",
    folder="tanh",
    is_alias=False,
    check=check,
    infer_shapes=unary_shapes,
    reference=reference,
    lower=lower,
    tolerance=Tolerance(absolute=1e-6),
)
