"""One operator's NumPy reference on arrays of other shapes than the model's.

What a rewrite says of an operator it learns from the operator's own reference, so that it
needs no arithmetic of its own and a rounding is written down once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Tensor
from anvil.ops.arrays import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.ops.definition import OperatorDefinition

    Array = npt.NDArray[Any]


def constant_tensor(name: str, values: Array, like: Tensor | None = None) -> Tensor:
    """A constant; with the quantization of `like`, whose dtype must be the array's."""
    dtype = DType(values.dtype.name)
    if like is not None and like.dtype is not dtype:
        msg = f"{name!r} is {dtype.value}, and what it stands for {like.dtype.value}"
        raise ValueError(msg)
    return Tensor(
        name=name,
        shape=values.shape,
        dtype=dtype,
        quantization=None if like is None else like.quantization,
        data=np.ascontiguousarray(values, dtype=numpy_dtype(dtype)).tobytes(),
    )


def evaluate(
    definition: OperatorDefinition,
    op: Op,
    inputs: Sequence[tuple[Tensor, Array] | None],
    output: Tensor,
    shape: Sequence[int],
) -> Array:
    """The operator's output of `shape`, for inputs of the arrays' shapes.

    Types and quantizations are those of the tensors; a constant has the array as its value.
    """
    tensors: list[Tensor] = []
    arrays: list[Array | None] = []
    indices: list[int] = []
    for given in inputs:
        if given is None:
            indices.append(ABSENT)
            arrays.append(None)
            continue
        tensor, values = given
        indices.append(len(tensors))
        arrays.append(values)
        tensors.append(
            constant_tensor(tensor.name, values, tensor)
            if tensor.is_constant
            else replace(tensor, shape=values.shape)
        )
    tensors.append(replace(output, shape=tuple(shape), data=None))
    small = replace(op, inputs=tuple(indices), outputs=(len(tensors) - 1,))
    graph = Graph(
        tensors=tuple(tensors),
        ops=(small,),
        inputs=tuple(i for i, t in enumerate(tensors[:-1]) if not t.is_constant),
        outputs=(len(tensors) - 1,),
    )
    (result,) = definition.reference(small, graph, arrays)
    return result
