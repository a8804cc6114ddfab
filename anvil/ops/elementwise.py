"""What ADD and MUL share, and what the operators on one tensor share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.plan import KernelCall
from anvil.ops.broadcast import MAX_RANK, broadcast_shape
from anvil.ops.checks import (
    arity_problems,
    data_problems,
    input_tensors,
    output_tensor,
    shape_problems,
)

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Quantization, Tensor
    from anvil.ops.definition import Shape


def quantization_of(tensor: Tensor) -> Quantization:
    """The quantization of a tensor that `check` saw has one."""
    if tensor.quantization is None:
        msg = f"tensor {tensor.name!r} has no quantization; check() refuses it"
        raise ValueError(msg)
    return tensor.quantization


def binary_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse all but two tensors and an output of one type, of shapes that broadcast."""
    problems = arity_problems(op, least=2, most=2)
    if problems:
        return problems
    problems = data_problems(op, graph)
    first, second = input_tensors(op, graph)
    shape = broadcast_shape(first.shape, second.shape)
    if shape is None:
        problems.append(
            f"its inputs have shapes {list(first.shape)} and {list(second.shape)}, which do "
            "not broadcast; extents must be equal, or one of them 1"
        )
        return problems
    if first.shape != second.shape and len(shape) > MAX_RANK:
        problems.append(
            f"it broadcasts to rank {len(shape)}; rank {MAX_RANK} is the most supported"
        )
    return problems + shape_problems(output_tensor(op, graph), shape)


def binary_shape(op: Op, graph: Graph) -> Shape:
    """The broadcast shape of both inputs; ValueError where there is none."""
    first, second = input_tensors(op, graph)
    shape = broadcast_shape(first.shape, second.shape)
    if shape is None:
        msg = f"shapes {first.shape} and {second.shape} do not broadcast; check() refuses it"
        raise ValueError(msg)
    return shape


def unary_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one tensor and an output of its type and shape."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    problems = data_problems(op, graph)
    return problems + shape_problems(output_tensor(op, graph), input_tensors(op, graph)[0].shape)


def elementwise_call(op: Op, graph: Graph) -> KernelCall:
    """The call of a kernel of the operator's name that knows only the number of elements."""
    output = output_tensor(op, graph)
    return KernelCall(
        op=op.kind.lower(),
        dtype=output.dtype.value,
        parameters=(("n_elements", output.n_elements),),
        inputs=op.inputs,
        constants=(),
        outputs=op.outputs,
        n_macs=0,
    )


def unary_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The input's shape."""
    return (input_tensors(op, graph)[0].shape,)
