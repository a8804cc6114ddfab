"""PAD of a tensor with its zero point (floats: with 0), by constant paddings, up to rank 5.

The kernel fills the output and then copies the input's rows to their places: a few elements
are written twice, and no size or rank needs a case of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.checks import (
    arity_problems,
    constant_problems,
    data_problems,
    input_tensors,
    output_tensor,
    same_quantization_problems,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.loops import Loop, fuse, loop_table, n_rows, row_major_strides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_MAX_RANK = 5  # of TFLite's reference


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type, equal quantization, and constant paddings that are not negative."""
    problems = arity_problems(op, least=2, most=2)
    if problems:
        return problems
    source, paddings = input_tensors(op, graph)
    rank = len(source.shape)
    problems = data_problems(op, graph, 1) or same_quantization_problems(op, graph, 1)
    problems += constant_problems("paddings", paddings, (DType.INT32, DType.INT64))
    if not 1 <= rank <= _MAX_RANK:
        problems.append(f"its input is of rank {rank}; rank 1 to {_MAX_RANK} is supported")
    if paddings.shape != (rank, 2):
        problems.append(
            f"its paddings have shape {list(paddings.shape)}; its input of rank {rank} needs "
            f"{[rank, 2]}"
        )
    if problems:
        return problems
    if (array_of(paddings) < 0).any():
        return [f"its paddings are {array_of(paddings).tolist()}; each must be at least 0"]
    return shape_problems(output_tensor(op, graph), infer_shapes(op, graph)[0])


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """Each extent plus what is put before and after it."""
    source = input_tensors(op, graph)[0]
    paddings = _paddings(op, graph)
    return (tuple(n + sum(pair) for n, pair in zip(source.shape, paddings, strict=True)),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The input within the output's zero point."""
    values = inputs[0]
    assert values is not None
    return (np.pad(values, _paddings(op, graph), constant_values=_value(op, graph)),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call: fill, then copy over loops of the input's extents and the output's strides."""
    source = input_tensors(op, graph)[0]
    output = output_tensor(op, graph)
    strides = row_major_strides(output.shape)
    # The input needs no strides: the loops visit it in row-major order, as it lies.
    loops = fuse(
        [
            Loop(extent=extent, strides=(stride,))
            for extent, stride in zip(source.shape, strides, strict=True)
        ]
    )
    before = [pair[0] for pair in _paddings(op, graph)]
    return (
        KernelCall(
            op="pad",
            dtype=output.dtype.value,
            parameters=(
                ("n_elements", output.n_elements),
                ("offset", sum(n * stride for n, stride in zip(before, strides, strict=True))),
                ("n_rows", n_rows(loops)),
                ("n_loops", len(loops)),
                ("value", _value(op, graph)),
            ),
            inputs=op.inputs[:1],
            constants=(loop_table("loops", loops),),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


def _value(op: Op, graph: Graph) -> float:
    output = output_tensor(op, graph)
    return 0.0 if output.dtype is DType.FLOAT32 else quantization_of(output).zero_point


def _paddings(op: Op, graph: Graph) -> list[tuple[int, int]]:
    return [(int(before), int(after)) for before, after in array_of(input_tensors(op, graph)[1])]


DEFINITION = OperatorDefinition(
    kind="PAD",
    folder="pad",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
