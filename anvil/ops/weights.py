"""Where the constant weights and biases of an operator are, and what a call of it may look like.

Kernels are listed under one of four types: int8; int16, whose weights are int8; float32; and
float16, whose weights are half-precision numbers while inputs, sums and outputs are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor


def before_expansion(graph: Graph, tensor: int) -> Tensor:
    """Tensor number `tensor`, or the float16 constant that a DEQUANTIZE makes it from.

    The converter stores float16 weights as a constant and a DEQUANTIZE that expands it to
    float32 at run time. A kernel that reads the constant itself spares the memory for that.
    """
    if graph.tensors[tensor].dtype is DType.FLOAT32 and not graph.tensors[tensor].is_constant:
        for op in graph.ops:
            if op.kind == "DEQUANTIZE" and tensor in op.outputs:
                source = graph.tensors[op.inputs[0]]
                if source.is_constant and source.dtype is DType.FLOAT16:
                    return source
    return graph.tensors[tensor]


def weights_of(op: Op, graph: Graph) -> Tensor:
    """The tensor that holds the weights, before any expansion from float16."""
    return before_expansion(graph, op.inputs[1])


def bias_of(op: Op, graph: Graph) -> Tensor | None:
    """The tensor that holds the bias, before any expansion; None where the op has none."""
    if len(op.inputs) < 3 or op.inputs[2] == ABSENT:
        return None
    return before_expansion(graph, op.inputs[2])


def is_float(op: Op, graph: Graph) -> bool:
    """Whether the op computes in float32, with weights of either precision."""
    return graph.tensors[op.inputs[0]].dtype is DType.FLOAT32


def kernel_dtype(op: Op, graph: Graph) -> str:
    """The type that the op's kernels are listed under; `check` found nothing."""
    source = weights_of(op, graph) if is_float(op, graph) else graph.tensors[op.inputs[0]]
    return source.dtype.value


def arity_problems(op: Op) -> list[str]:
    """Refuse all but an input, weights, an optional bias and one output.

    Other checks may index inputs once this is empty.
    """
    problems = []
    if len(op.inputs) not in {2, 3} or ABSENT in op.inputs[:2]:
        n_given = sum(index != ABSENT for index in op.inputs)
        problems.append(
            f"it has {n_given} inputs of {len(op.inputs)} given; "
            "it needs an input and weights, and may have a bias"
        )
    if len(op.outputs) != 1:
        problems.append(f"it has {len(op.outputs)} outputs; it has 1 where it is supported")
    return problems
