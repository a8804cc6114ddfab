"""DEQUANTIZE: int8 to float32, scale * (q - zero_point).

TFLite multiplies in double precision and rounds to float32. The double product of a
float32 and a 9-bit integer is exact, so that one float32 multiplication gives the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.checks import (
    arity_problems,
    float32_problems,
    input_tensors,
    int8_problems,
    output_tensor,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but int8 with one scale to float32."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    (source,) = input_tensors(op, graph)
    target = output_tensor(op, graph)
    return (
        int8_problems("input", source)
        + float32_problems("output", target)
        + shape_problems(target, source.shape)
    )


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """float32, of the input's shape."""
    (values,) = inputs
    assert values is not None
    quantization = quantization_of(input_tensors(op, graph)[0])
    centred = values.astype(np.int32) - quantization.zero_point
    with np.errstate(over="ignore"):
        return (np.float32(quantization.scale) * centred.astype(np.float32),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call over all elements."""
    quantization = quantization_of(input_tensors(op, graph)[0])
    return (
        KernelCall(
            op="dequantize",
            dtype="int8",
            parameters=(
                ("n_elements", output_tensor(op, graph).n_elements),
                ("scale", quantization.scale),
                ("zero_point", quantization.zero_point),
            ),
            inputs=op.inputs,
            constants=(),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


DEFINITION = OperatorDefinition(
    kind="DEQUANTIZE",
    folder="dequantize",
    is_alias=False,
    check=check,
    infer_shapes=unary_shapes,
    reference=reference,
    lower=lower,
)
