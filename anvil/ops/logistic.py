"""LOGISTIC: 1 / (1 + exp(-x)); on int8 a table, on int16 an interpolated one.

On int8 TFLite's reference fills a table too, in float32, when it prepares the model; the
table here is the same one, made at build time.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.core.tolerance import Tolerance
from anvil.ops.checks import input_tensors, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import elementwise_call, quantization_of, unary_problems, unary_shapes
from anvil.ops.lookup_table import int8_values, look_up, lookup_call
from anvil.ops.requantize import integer_range, round_half_away
from anvil.ops.sigmoid_table import sigmoid, table_call, table_problems, table_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.core.tensor import Quantization
    from anvil.ops.definition import Array
    from anvil.ops.lookup_table import Int8Array

_OUTPUT_SCALE = 1 / 256
_PIECE_BITS = 9  # int16: 512 steps of 1/12288 between two entries
_GREATEST_EXPONENT = 89.0  # exp of more is beyond float32
_DIGITS = 30


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type with one scale each, and an output scale but 1/256 or 1/32768."""
    problems = unary_problems(op, graph)
    dtype = output_tensor(op, graph).dtype
    if problems or dtype is DType.FLOAT32:
        return problems
    if dtype is DType.INT16:
        return table_problems(op, graph)
    scale = quantization_of(output_tensor(op, graph)).scale
    if scale != _OUTPUT_SCALE:
        return [f"its output has scale {scale:g}; int8 LOGISTIC has 1/256, as in TFLite"]
    return []


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """Of the input's shape and type."""
    (values,) = inputs
    assert values is not None
    match output_tensor(op, graph).dtype:
        case DType.FLOAT32:
            return (_float_reference(values.astype(np.float32)),)
        case DType.INT16:
            return (_int16_reference(table_steps(op, graph, values)),)
    return (look_up(_table(op, graph), values),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One look-up on int8; else a kernel of its own."""
    output = output_tensor(op, graph)
    if output.dtype is DType.FLOAT32:
        return (elementwise_call(op, graph),)
    if output.dtype is DType.INT16:
        return (table_call(op, graph),)
    return (lookup_call(op, graph, _table(op, graph)),)


def _float_reference(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-values))


def _int16_reference(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    result = sigmoid(np.abs(steps), _PIECE_BITS, (2**15 - 1) << 10)
    half = 1 << 9
    rounded = np.where(steps >= 0, result + half, (1 << 25) - result + half - 1)
    narrowed: npt.NDArray[np.int16] = (rounded >> 10).astype(np.int16)
    return narrowed


def _table(op: Op, graph: Graph) -> Int8Array:
    source = quantization_of(input_tensors(op, graph)[0])
    target = quantization_of(output_tensor(op, graph))
    results = [_logistic(int(value), source, target) for value in int8_values()]
    return np.array(results, dtype=np.int8)


def _logistic(value: int, source: Quantization, target: Quantization) -> int:
    """One entry, each operation in float32 as in TFLite."""
    one = np.float32(1)
    with np.errstate(over="ignore"):
        x = np.float32(source.scale) * np.float32(value - source.zero_point)
        probability = one / (one + _exp(-x))
        steps = round_half_away(float(probability * (one / np.float32(target.scale))))
    least, greatest = integer_range(DType.INT8)
    return min(max(steps + target.zero_point, least), greatest)


def _exp(x: np.float32) -> np.float32:
    """The exponential of a float32, rounded to float32.

    In decimal arithmetic, which is the same on every host; a host's own exp is not.
    """
    if x > _GREATEST_EXPONENT:
        return np.float32(np.inf)
    with localcontext() as context:
        context.prec = _DIGITS
        return np.float32(float(Decimal(float(x)).exp()))


DEFINITION = OperatorDefinition(
    kind="LOGISTIC",
    folder="lookup",
    is_alias=False,
    check=check,
    infer_shapes=unary_shapes,
    reference=reference,
    lower=lower,
    tolerance=Tolerance(absolute=1e-6, relative=0.0),
    other_folders=("logistic",),
)
