"""QUANTIZE: float32 to int8 or int16, or either of these to another scale and zero point.

From float32 the value is divided by the scale in float32 and rounded with halves away
from zero. A quotient beyond int32 is undefined behaviour in TFLite's reference; here it
saturates, as smaller ones do, and a NaN becomes the zero point. From int8 to int8 it is a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.arrays import numpy_dtype
from anvil.ops.checks import (
    arity_problems,
    float32_problems,
    input_tensors,
    int8_problems,
    int16_problems,
    output_tensor,
    rescaling_problems,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_shapes
from anvil.ops.lookup_table import look_up, lookup_call, requantizing_table
from anvil.ops.requantize import (
    Int32Array,
    integer_range,
    quantize_multiplier,
    requantize,
    wrap_int32,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import Array, Shape
    from anvil.ops.lookup_table import Int8Array

_GREATEST_DIFFERENCES = {DType.INT8: 255, DType.INT16: 2**15}
# Further from 0 than any steps that do not saturate, and exact in float32.
_FAR = {DType.INT8: 512.0, DType.INT16: 131072.0}


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but float32, int8 or int16 to int8 or int16 with one scale each."""
    problems = arity_problems(op, least=1, most=1)
    if problems:
        return problems
    (source,) = input_tensors(op, graph)
    target = output_tensor(op, graph)
    is_wide = target.dtype is DType.INT16
    problems = int16_problems("output", target) if is_wide else int8_problems("output", target)
    if source.dtype is DType.FLOAT32:
        problems += float32_problems("input", source)
    elif source.dtype in _GREATEST_DIFFERENCES:
        is_wide = source.dtype is DType.INT16
        problems += int16_problems("input", source) if is_wide else int8_problems("input", source)
        if not problems:
            greatest = _GREATEST_DIFFERENCES[source.dtype]
            problems += rescaling_problems(_real_multiplier(op, graph), greatest)
    else:
        problems.append(
            f"its input {source.name!r} is {source.dtype.value}; float32, int8 and int16 are "
            "supported"
        )
    return problems + shape_problems(target, source.shape)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Steps of the output's quantization, of the input's shape."""
    (values,) = inputs
    assert values is not None
    source, target = input_tensors(op, graph)[0], output_tensor(op, graph)
    if _is_table(op, graph):
        return (look_up(_table(op, graph), values),)
    if source.dtype is DType.FLOAT32:
        steps = _rounded(values.astype(np.float32), target)
    else:
        point = quantize_multiplier(_real_multiplier(op, graph))
        centred = values.astype(np.int32) - quantization_of(source).zero_point
        steps = requantize(centred, point.multiplier, point.shift)
    shifted = wrap_int32(steps.astype(np.int64) + quantization_of(target).zero_point)
    bounds = integer_range(target.dtype)
    return (np.clip(shifted, *bounds).astype(numpy_dtype(target.dtype)),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """A look-up from int8 to int8; else a kernel of its own."""
    if _is_table(op, graph):
        return (lookup_call(op, graph, _table(op, graph)),)
    source, output = input_tensors(op, graph)[0], output_tensor(op, graph)
    quantization = quantization_of(output)
    fields: tuple[tuple[str, int | float], ...]
    if source.dtype is DType.FLOAT32:
        fields = (("scale", quantization.scale), ("zero_point", quantization.zero_point))
    else:
        point = quantize_multiplier(_real_multiplier(op, graph))
        fields = (
            ("input_zero_point", quantization_of(source).zero_point),
            ("multiplier", point.multiplier),
            ("shift", point.shift),
            ("output_zero_point", quantization.zero_point),
        )
    return (
        KernelCall(
            op="quantize",
            dtype=source.dtype.value,
            parameters=(
                ("n_elements", output.n_elements),
                *fields,
                ("output_bits", 8 * output.dtype.n_bytes),
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


def _is_table(op: Op, graph: Graph) -> bool:
    return (input_tensors(op, graph)[0].dtype, output_tensor(op, graph).dtype) == (
        DType.INT8,
        DType.INT8,
    )


def _rounded(values: npt.NDArray[np.float32], target: Tensor) -> Int32Array:
    far = _FAR[target.dtype]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        steps = values / np.float32(quantization_of(target).scale)
    steps = np.where(np.isnan(steps), np.float32(0), np.clip(steps, -far, far))
    whole = np.trunc(steps)
    # The subtraction is exact, where adding a half could round up to the next integer.
    rounded: Int32Array = (whole + np.trunc(2 * (steps - whole))).astype(np.int32)
    return rounded


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
    other_folders=("lookup",),
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
