"""CONCATENATION of tensors of one type and quantization, along any axis.

It is lowered to one copy per input, so that the kernel's signature does not depend on
their number. TFLite's reference, too, refuses inputs that would have to be rescaled,
and a fused activation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Activation, ConcatenationAttributes
from anvil.core.plan import KernelCall
from anvil.ops.checks import (
    arity_problems,
    attributes_of,
    data_problems,
    input_tensors,
    output_tensor,
    same_quantization_problems,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type of equal quantization, and shapes that differ off the axis."""
    problems = arity_problems(op, least=1)
    if problems:
        return problems
    attributes = attributes_of(op, ConcatenationAttributes)
    problems = data_problems(op, graph) or same_quantization_problems(op, graph)
    if attributes.activation is not Activation.NONE:
        problems.append(
            f"it has the fused activation {attributes.activation.value}; TFLite allows none here"
        )
    first, *others = input_tensors(op, graph)
    rank = len(first.shape)
    if not -rank <= attributes.axis < rank:
        problems.append(
            f"its axis is {attributes.axis}; its inputs of rank {rank} have axes {-rank} to "
            f"{rank - 1}"
        )
        return problems
    axis = attributes.axis % rank
    wanted = _without(first.shape, axis)
    mismatched = [
        f"its input {position} has shape {list(other.shape)} and input 0 {list(first.shape)}; "
        f"they may differ on axis {axis} only"
        for position, other in enumerate(others, start=1)
        if len(other.shape) != rank or _without(other.shape, axis) != wanted
    ]
    if mismatched:
        return problems + mismatched
    return problems + shape_problems(output_tensor(op, graph), infer_shapes(op, graph)[0])


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The first input's shape, its extent on the axis summed over all inputs."""
    tensors = input_tensors(op, graph)
    axis = _axis(op, graph)
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    return (tuple(shape),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The inputs one after the other along the axis."""
    return (
        np.concatenate([values for values in inputs if values is not None], axis=_axis(op, graph)),
    )


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call for each input: its rows go to every n-th row of the output."""
    axis = _axis(op, graph)
    output = output_tensor(op, graph)
    offset = 0
    calls = []
    for index in op.inputs:
        row_elements = math.prod(graph.tensors[index].shape[axis:])
        calls.append(
            KernelCall(
                op="concatenation",
                dtype=output.dtype.value,
                parameters=(
                    ("n_rows", math.prod(output.shape[:axis])),
                    ("row_elements", row_elements),
                    ("output_row_elements", math.prod(output.shape[axis:])),
                    ("output_offset", offset),
                ),
                inputs=(index,),
                constants=(),
                outputs=op.outputs,
                n_macs=0,
            )
        )
        offset += row_elements
    return tuple(calls)


def _axis(op: Op, graph: Graph) -> int:
    return attributes_of(op, ConcatenationAttributes).axis % len(input_tensors(op, graph)[0].shape)


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


DEFINITION = OperatorDefinition(
    kind="CONCATENATION",
    folder="concatenation",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
