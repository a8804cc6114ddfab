"""QUANTIZE: float32 to int8, or int8 to int8 of another scale and zero point.

From float32 the value is divided by the scale in float32 and rounded with halves away
from zero. A quotient beyond int32 is undefined behaviour in TFLite's reference; here it
saturates, as smaller ones do, and a NaN becomes the zero point. From int8 it is a table.
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
    output_tensor,
    rescaling_problems,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_shapes
from anvil.ops.lookup_table import look_up, lookup_call, requantizing_table
from anvil.ops.requantize import Int32Array, integer_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Quantization
    from anvil.ops.definition import Array, Shape
    from anvil.ops.lookup_table import Int8Array

_GREATEST_DIFFERENCE = 255
# Further from 0 than any steps that do not saturate, and exact in float32.
_FAR = 512.0


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but float32 or int8 to int8 with one scale each."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    (source,) = input_tensors(op, graph)
    target = output_tensor(op, graph)
    problems = int8_problems("output", target)
    if source.dtype is DType.FLOAT32:
        problems += float32_problems("input", source)
    elif source.dtype is DType.INT8:
        problems += int8_problems("input", source)
        if not problems:
            problems += rescaling_problems(_real_multiplier(op, graph), _GREATEST_DIFFERENCE)
    else:
        problems.append(
            f"its input {source.name!r} is {source.dtype.value}; float32 and int8 are supported"
        )
    return problems + shape_problems(target, source.shape)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """int8, of the input's shape."""
    (values,) = inputs
    assert values is not None
    if input_tensors(op, graph)[0].dtype is DType.INT8:
        return (look_up(_table(op, graph), values),)
    return (_from_float(values.astype(np.float32), quantization_of(output_tensor(op, graph))),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """A look-up from int8; a kernel of its own from float32."""
    if input_tensors(op, graph)[0].dtype is DType.INT8:
        return (lookup_call(op, graph, _table(op, graph)),)
    output = output_tensor(op, graph)
    quantization = quantization_of(output)
    return (
        KernelCall(
            op="quantize",
            dtype="float32",
            parameters=(
                ("n_elements", output.n_elements),
                ("scale", quantization.scale),
                ("zero_point", quantization.zero_point),
            ),
            inputs=op.inputs,
            constants=(),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The input's shape."""
    return unary_shapes(op, graph)


def _from_float(values: npt.NDArray[np.float32], quantization: Quantization) -> Int8Array:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        steps = values / np.float32(quantization.scale)
    steps = np.where(np.isnan(steps), np.float32(0), np.clip(steps, -_FAR, _FAR))
    whole = np.trunc(steps)
    # The subtraction is exact, where adding a half could round up to the next integer.
    rounded = whole + np.trunc(2 * (steps - whole))
    least, greatest = integer_range(DType.INT8)
    shifted: Int32Array = rounded.astype(np.int32) + quantization.zero_point
    return np.clip(shifted, least, greatest).astype(np.int8)


def _real_multiplier(op: Op, graph: Graph) -> float:
    """Computed in double precision, as TFLite does."""
    source = quantization_of(input_tensors(op, graph)[0])
    return source.scale / quantization_of(output_tensor(op, graph)).scale


def _table(op: Op, graph: Graph) -> Int8Array:
    source = quantization_of(input_tensors(op, graph)[0])
    target = quantization_of(output_tensor(op, graph))
    return requantizing_table(
        source, target, _real_multiplier(op, graph), integer_range(DType.INT8)
    )


DEFINITION = OperatorDefinition(
    kind="QUANTIZE",
    folder="quantize",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
