"""DEQUANTIZE: int8 or int16 to float32, scale * (q - zero_point); float16 to float32.

TFLite multiplies in double precision and rounds to float32. The double product of a
float32 and a 17-bit integer is exact, so that one float32 multiplication gives the same.

float16 occurs as constants only, the weights of a model whose weights alone are halves. It
needs no call: what reads the floats takes the halves, or gets the floats as a constant when
the plan is made (anvil/plan/halves.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.checks import (
    arity_problems,
    float32_problems,
    input_tensors,
    int8_problems,
    int16_problems,
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
    """Refuse all but int8 and int16 with one scale, and constant float16, to float32."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    (source,) = input_tensors(op, graph)
    target = output_tensor(op, graph)
    match source.dtype:
        case DType.FLOAT16 if source.is_constant:
            problems = []
        case DType.FLOAT16:
            problems = [
                (
                    f"its input {source.name!r} is float16 and computed at run time; float16 "
                    "constants are supported"
                )
            ]
        case DType.INT16:
            problems = int16_problems("input", source)
        case _:
            problems = int8_problems("input", source)
    return problems + float32_problems("output", target) + shape_problems(target, source.shape)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """float32, of the input's shape."""
    (values,) = inputs
    assert values is not None
    source = input_tensors(op, graph)[0]
    if source.dtype is DType.FLOAT16:
        return (values.astype(np.float32),)
    quantization = quantization_of(source)
    centred = values.astype(np.int32) - quantization.zero_point
    with np.errstate(over="ignore"):
        return (np.float32(quantization.scale) * centred.astype(np.float32),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call over all elements; none for halves."""
    source = input_tensors(op, graph)[0]
    if source.dtype is DType.FLOAT16:
        return ()
    quantization = quantization_of(source)
    offset = (("zero_point", quantization.zero_point),) if source.dtype is DType.INT8 else ()
    return (
        KernelCall(
            op="dequantize",
            dtype=source.dtype.value,
            parameters=(
                ("n_elements", output_tensor(op, graph).n_elements),
                ("scale", quantization.scale),
                *offset,
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
