"""MEAN of a tensor over constant axes.

Floats are added up in row-major order and divided. A sum of integers is exact; the division by
the number of elements is folded into the multiplier that brings it to the output's scale, with
as many bits kept as TFLite's reference keeps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anvil.core.attributes import MeanAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, numpy_dtype
from anvil.ops.checks import (
    arity_problems,
    attributes_of,
    constant_problems,
    data_problems,
    input_tensors,
    output_tensor,
    shape_problems,
)
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of
from anvil.ops.loops import Loop, fuse, loop_table, n_rows, row_major_strides
from anvil.ops.requantize import (
    INT32_MAX,
    FixedPoint,
    integer_range,
    quantize_multiplier,
    requantize,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_GREATEST_DIFFERENCES = {DType.INT8: 255, DType.INT16: 2**15}
_MAX_FLOATS = 2**24  # of one sum: a float holds their number


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type with one scale each, and constant axes that the input has."""
    problems = arity_problems(op, least=2, most=2)
    if problems:
        return problems
    source, axes = input_tensors(op, graph)
    problems = data_problems(op, graph, 1)
    problems += constant_problems("axes", axes, (DType.INT32,))
    if problems:
        return problems
    rank = len(source.shape)
    outside = [int(axis) for axis in array_of(axes).flat if not -rank <= axis < rank]
    if outside:
        return [f"it reduces axis {outside[0]}; its input of rank {rank} has {-rank} to {rank - 1}"]
    problems = shape_problems(output_tensor(op, graph), infer_shapes(op, graph)[0])
    if source.dtype is DType.FLOAT32:
        n_reduced = _n_reduced(op, graph)
        if n_reduced > _MAX_FLOATS:
            problems.append(f"it adds up {n_reduced} elements; {_MAX_FLOATS} is the most supported")
        return problems
    greatest_sum = _GREATEST_DIFFERENCES[source.dtype] * _n_reduced(op, graph)
    if greatest_sum << max(0, _rescaling(op, graph).shift) > INT32_MAX:
        problems.append(
            f"it adds up {_n_reduced(op, graph)} elements and multiplies by "
            f"{_real_multiplier(op, graph):g}, which can overflow 32 bits; reduce in several steps "
            "or quantize the output with a larger scale"
        )
    return problems


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """Without the reduced axes, or with extent 1 there where `keep_dims` is set."""
    shape = input_tensors(op, graph)[0].shape
    reduced = _reduced_axes(op, graph)
    if attributes_of(op, MeanAttributes).keep_dims:
        return (tuple(1 if axis in reduced else n for axis, n in enumerate(shape)),)
    return (tuple(n for axis, n in enumerate(shape) if axis not in reduced),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The mean, for integers in the output's quantization."""
    values = inputs[0]
    assert values is not None
    output = output_tensor(op, graph)
    axes = tuple(sorted(_reduced_axes(op, graph)))
    if output.dtype is DType.FLOAT32:
        return (_mean(values.astype(np.float32), axes).reshape(output.shape),)
    zero_point = quantization_of(input_tensors(op, graph)[0]).zero_point
    total = values.astype(np.int32).sum(axis=axes, dtype=np.int32)
    total = np.asarray(total - np.int32(zero_point * _n_reduced(op, graph)), dtype=np.int32)
    point = _rescaling(op, graph)
    rescaled = requantize(total, point.multiplier, point.shift)
    result = rescaled + quantization_of(output).zero_point
    clamped = np.clip(result, *integer_range(output.dtype)).astype(numpy_dtype(output.dtype))
    return (clamped.reshape(infer_shapes(op, graph)[0]),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call, with the loops over the axes that stay and over those that go."""
    source = input_tensors(op, graph)[0]
    output = output_tensor(op, graph)
    reduced = _reduced_axes(op, graph)
    loops = [
        Loop(extent=extent, strides=(stride,))
        for extent, stride in zip(source.shape, row_major_strides(source.shape), strict=True)
    ]
    outer = fuse([loop for axis, loop in enumerate(loops) if axis not in reduced])
    inner = fuse([loop for axis, loop in enumerate(loops) if axis in reduced])
    return (
        KernelCall(
            op="mean",
            dtype=output.dtype.value,
            parameters=(
                ("n_outputs", output.n_elements),
                ("n_output_loops", len(outer)),
                ("n_sum_rows", n_rows(inner)),
                ("n_sum_loops", len(inner)),
                *_rescaling_fields(op, graph),
            ),
            inputs=op.inputs[:1],
            constants=(loop_table("output_loops", outer), loop_table("sum_loops", inner)),
            outputs=op.outputs,
            n_macs=source.n_elements,
        ),
    )


def _mean(values: npt.NDArray[np.float32], axes: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """The mean over `axes`, one element added after the other: NumPy's sum would pair them."""
    kept = [axis for axis in range(values.ndim) if axis not in axes]
    n_reduced = math.prod(values.shape[axis] for axis in axes)
    rows = values.transpose(*axes, *kept).reshape(n_reduced, -1)
    total = np.zeros(rows.shape[1], dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for row in rows:
            total = total + row
    return total / np.float32(n_reduced)


def _rescaling_fields(op: Op, graph: Graph) -> tuple[tuple[str, int], ...]:
    source = input_tensors(op, graph)[0]
    n_reduced = _n_reduced(op, graph)
    if source.dtype is DType.FLOAT32:
        return (("n_reduced", n_reduced),)
    point = _rescaling(op, graph)
    scaling = (("multiplier", point.multiplier), ("shift", point.shift))
    if source.dtype is DType.INT16:
        return scaling
    return (
        ("sum_offset", -quantization_of(source).zero_point * n_reduced),
        *scaling,
        ("output_zero_point", quantization_of(output_tensor(op, graph)).zero_point),
    )


def _reduced_axes(op: Op, graph: Graph) -> frozenset[int]:
    source, axes = input_tensors(op, graph)
    return frozenset(int(axis) % len(source.shape) for axis in array_of(axes).flat)


def _n_reduced(op: Op, graph: Graph) -> int:
    shape = input_tensors(op, graph)[0].shape
    return math.prod(shape[axis] for axis in _reduced_axes(op, graph))


def _real_multiplier(op: Op, graph: Graph) -> float:
    """From the input's scale to the output's, in double precision, as TFLite computes it."""
    source = quantization_of(input_tensors(op, graph)[0])
    return source.scale / quantization_of(output_tensor(op, graph)).scale


def _rescaling(op: Op, graph: Graph) -> FixedPoint:
    """The multiplier from the sum to the output, as TFLite derives it from that of one element.

    The multiplier is widened by as many bits as the number of elements has before it is
    divided, and the shift makes up for it; it may leave [2**30, 2**31) downwards.
    """
    point = quantize_multiplier(_real_multiplier(op, graph))
    n_reduced = _n_reduced(op, graph)
    widening = min(n_reduced.bit_length() - 1, 32, 31 + point.shift)
    return FixedPoint(
        multiplier=(point.multiplier << widening) // n_reduced, shift=point.shift - widening
    )


DEFINITION = OperatorDefinition(
    kind="MEAN",
    folder="mean",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
