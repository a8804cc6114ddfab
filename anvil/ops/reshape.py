"""RESHAPE: the same bytes under another shape, so that nothing runs on the device.

The new shape comes from a constant second input, where one extent may be -1, or else from
the output tensor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.checks import (
    constant_problems,
    input_tensors,
    output_tensor,
    same_quantization_problems,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import Array, Shape


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse a shape computed at run time, another number of elements, another type."""
    if not op.inputs or len(op.inputs) > 2 or op.inputs[0] == ABSENT or len(op.outputs) != 1:
        return [
            (
                f"it has {len(op.inputs)} inputs and {len(op.outputs)} outputs; it needs "
                "the tensor, perhaps a shape, and 1 output"
            )
        ]
    source, output, shape = graph.tensors[op.inputs[0]], output_tensor(op, graph), _shape(op, graph)
    problems = []
    if shape is not None:
        problems += constant_problems("shape", shape, (DType.INT32,))
        if len(shape.shape) != 1:
            problems.append(
                f"its shape {shape.name!r} is of rank {len(shape.shape)}; it is a list of extents"
            )
    if source.dtype is not output.dtype:
        problems.append(
            f"its input is {source.dtype.value} and its output {output.dtype.value}; "
            "RESHAPE changes no type"
        )
    if not source.n_elements:
        problems.append(f"its input {source.name!r} has no elements; every extent is at least 1")
    if problems:
        return problems
    problems = same_quantization_problems(op, graph, 1)
    inferred = _resolve(_wanted(op, graph), source.n_elements)
    if inferred is None:
        problems.append(
            f"it turns shape {list(source.shape)} into {list(_wanted(op, graph))}, which has "
            "another number of elements"
        )
    else:
        problems += shape_problems(output, inferred)
    return problems


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The wanted shape, its -1 resolved."""
    wanted = _wanted(op, graph)
    inferred = _resolve(wanted, input_tensors(op, graph)[0].n_elements)
    if inferred is None:
        msg = f"shape {wanted} has another number of elements; check() refuses it"
        raise ValueError(msg)
    return (inferred,)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The input's values in the output's shape."""
    values = inputs[0]
    assert values is not None
    return (values.reshape(infer_shapes(op, graph)[0]),)


def lower(_op: Op, _graph: Graph) -> tuple[KernelCall, ...]:
    """Nothing: the output shares the input's memory."""
    return ()


def _shape(op: Op, graph: Graph) -> Tensor | None:
    given = len(op.inputs) == 2 and op.inputs[1] != ABSENT
    return graph.tensors[op.inputs[1]] if given else None


def _wanted(op: Op, graph: Graph) -> Shape:
    shape = _shape(op, graph)
    if shape is None:
        return output_tensor(op, graph).shape
    return tuple(int(extent) for extent in array_of(shape))


def _resolve(wanted: Shape, n_elements: int) -> Shape | None:
    """`wanted` with its -1 replaced; None where the number of elements would differ.

    >>> _resolve((2, -1), 6)
    (2, 3)
    """
    if any(extent < -1 for extent in wanted) or wanted.count(-1) > 1:
        return None
    known = math.prod(extent for extent in wanted if extent != -1)
    if known == 0 or n_elements % known or (-1 not in wanted and known != n_elements):
        return None
    return tuple(n_elements // known if extent == -1 else extent for extent in wanted)


DEFINITION = OperatorDefinition(
    kind="RESHAPE",
    folder=None,
    is_alias=True,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
