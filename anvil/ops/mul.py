"""MUL of two tensors, with broadcasting and a fused activation.

The product of two centred int8 or int16 values is exact in 32 bits and is rescaled once, with
two roundings, as TFLite's reference does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import ArithmeticAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.arrays import numpy_dtype
from anvil.ops.broadcast import broadcast_loops
from anvil.ops.checks import attributes_of, input_tensors, output_tensor, rescaling_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import binary_problems, binary_shape, quantization_of
from anvil.ops.float_activation import clamp_float, float_range
from anvil.ops.loops import loop_table, n_rows
from anvil.ops.requantize import activation_range, quantize_multiplier, requantize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_GREATEST_PRODUCTS = {DType.INT8: 255 * 255, DType.INT16: 2**30}


def _real_multiplier(op: Op, graph: Graph) -> float:
    """Computed in float32, as TFLite does."""
    first, second, output = (
        np.float32(quantization_of(tensor).scale)
        for tensor in (*input_tensors(op, graph), output_tensor(op, graph))
    )
    with np.errstate(over="ignore", under="ignore"):
        return float(first * second / output)


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type with one scale each, of shapes that go together."""
    problems = binary_problems(op, graph)
    dtype = output_tensor(op, graph).dtype
    if problems or dtype is DType.FLOAT32:
        return problems
    return rescaling_problems(_real_multiplier(op, graph), _GREATEST_PRODUCTS[dtype])


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The broadcast shape of both inputs."""
    return (binary_shape(op, graph),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The product, for integers in the output's quantization."""
    output = output_tensor(op, graph)
    if output.dtype is DType.FLOAT32:
        first, second = (np.asarray(values, dtype=np.float32) for values in inputs)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return (clamp_float(first * second, _activation(op)),)
    centred = []
    for tensor, values in zip(input_tensors(op, graph), inputs, strict=True):
        assert values is not None
        centred.append(values.astype(np.int32) - quantization_of(tensor).zero_point)
    point = quantize_multiplier(_real_multiplier(op, graph))
    product = requantize(centred[0] * centred[1], point.multiplier, point.shift)
    shifted = product + quantization_of(output).zero_point
    return (np.clip(shifted, *_range(op, graph)).astype(numpy_dtype(output.dtype)),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call, over loops that broadcast; a multiplication counts as one MAC."""
    first, second = input_tensors(op, graph)
    output = output_tensor(op, graph)
    loops = broadcast_loops(first.shape, second.shape, output.shape)
    return (
        KernelCall(
            op="mul",
            dtype=output.dtype.value,
            parameters=(
                ("n_rows", n_rows(loops)),
                ("n_loops", len(loops)),
                *_rescaling_fields(op, graph),
                *_bounds(op, graph),
            ),
            inputs=op.inputs,
            constants=(loop_table("loops", loops),),
            outputs=op.outputs,
            n_macs=output.n_elements,
        ),
    )


def _rescaling_fields(op: Op, graph: Graph) -> tuple[tuple[str, int], ...]:
    output = output_tensor(op, graph)
    if output.dtype is DType.FLOAT32:
        return ()
    first, second = input_tensors(op, graph)
    zero_points = (
        ("input1_zero_point", quantization_of(first).zero_point),
        ("input2_zero_point", quantization_of(second).zero_point),
        ("output_zero_point", quantization_of(output).zero_point),
    )
    point = quantize_multiplier(_real_multiplier(op, graph))
    return (
        *(zero_points if output.dtype is DType.INT8 else ()),
        ("multiplier", point.multiplier),
        ("shift", point.shift),
    )


def _activation(op: Op) -> Activation:
    return attributes_of(op, ArithmeticAttributes).activation


def _range(op: Op, graph: Graph) -> tuple[int, int]:
    output = output_tensor(op, graph)
    return activation_range(_activation(op), quantization_of(output), output.dtype)


def _bounds(op: Op, graph: Graph) -> tuple[tuple[str, int | float], ...]:
    is_float = output_tensor(op, graph).dtype is DType.FLOAT32
    least, greatest = float_range(_activation(op)) if is_float else _range(op, graph)
    return (("output_min", least), ("output_max", greatest))


DEFINITION = OperatorDefinition(
    kind="MUL",
    folder="mul",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
