"""ADD of two tensors, with broadcasting and a fused activation.

Integer operands are shifted left by 20 bits (int8) or 15 bits (int16) and brought to half of a
common scale, twice the larger of the two, so that their sum is exact to a fraction of a step;
the sum is then brought to the output's scale. Each rescaling rounds twice, as TFLite's
reference does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import ArithmeticAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.arrays import numpy_dtype
from anvil.ops.broadcast import broadcast_loops
from anvil.ops.checks import attributes_of, input_tensors, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import binary_problems, binary_shape, quantization_of
from anvil.ops.float_activation import clamp_float, float_range
from anvil.ops.loops import loop_table, n_rows
from anvil.ops.requantize import FixedPoint, activation_range, quantize_multiplier, requantize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_LEFT_SHIFTS = {DType.INT8: 20, DType.INT16: 15}  # the C kernels have the same


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rescaling:
    """The real multipliers of the three rescalings; each is below 1 where ADD is supported."""

    first: float
    second: float
    output: float

    @classmethod
    def of(cls, op: Op, graph: Graph) -> _Rescaling:
        first, second = (quantization_of(tensor).scale for tensor in input_tensors(op, graph))
        # A scale is a float32, so that doubling it is exact.
        twice_larger = 2.0 * max(first, second)
        output = output_tensor(op, graph)
        steps = 1 << _LEFT_SHIFTS[output.dtype]
        return cls(
            first=first / twice_larger,
            second=second / twice_larger,
            output=twice_larger / (steps * quantization_of(output).scale),
        )

    def fixed_points(self) -> tuple[FixedPoint, FixedPoint, FixedPoint]:
        return (
            quantize_multiplier(self.first),
            quantize_multiplier(self.second),
            quantize_multiplier(self.output),
        )


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but one type with one scale each, of shapes that go together."""
    problems = binary_problems(op, graph)
    dtype = output_tensor(op, graph).dtype
    if problems or dtype is DType.FLOAT32:
        return problems
    if dtype is DType.INT16 and _rescales_by_shifts(op, graph):
        return [
            (
                "its scales are powers of two and its option pot_scale_int16 is set, for which "
                "TFLite has another arithmetic; convert the model with a current TensorFlow"
            )
        ]
    rescaling = _Rescaling.of(op, graph)
    if quantize_multiplier(rescaling.output).shift > 0 or rescaling.output >= 1.0:
        return [
            (
                f"its larger input scale is 2**{_LEFT_SHIFTS[dtype] - 1} or more times its output "
                "scale, which TFLite refuses; quantize the model with an output scale nearer to "
                "its inputs'"
            )
        ]
    return []


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The broadcast shape of both inputs."""
    return (binary_shape(op, graph),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """The sum, for integers in the output's quantization."""
    output = output_tensor(op, graph)
    if output.dtype is DType.FLOAT32:
        first, second = (np.asarray(values, dtype=np.float32) for values in inputs)
        with np.errstate(over="ignore", invalid="ignore"):
            return (clamp_float(first + second, _activation(op)),)
    operands = []
    left_shift = _LEFT_SHIFTS[output.dtype]
    *points, output_point = _Rescaling.of(op, graph).fixed_points()
    for tensor, values, point in zip(input_tensors(op, graph), inputs, points, strict=True):
        assert values is not None
        centred = values.astype(np.int32) - quantization_of(tensor).zero_point
        operands.append(requantize(centred << left_shift, point.multiplier, point.shift))
    total = requantize(operands[0] + operands[1], output_point.multiplier, output_point.shift)
    shifted = total + quantization_of(output).zero_point
    return (np.clip(shifted, *_range(op, graph)).astype(numpy_dtype(output.dtype)),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call, over loops that broadcast."""
    first, second = input_tensors(op, graph)
    output = output_tensor(op, graph)
    loops = broadcast_loops(first.shape, second.shape, output.shape)
    return (
        KernelCall(
            op="add",
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
            n_macs=0,
        ),
    )


def _rescaling_fields(op: Op, graph: Graph) -> tuple[tuple[str, int], ...]:
    output = output_tensor(op, graph)
    if output.dtype is DType.FLOAT32:
        return ()
    first, second = input_tensors(op, graph)
    fields: list[tuple[str, int]] = []
    for name, tensor, point in zip(
        ("input1", "input2", "output"),
        (first, second, output),
        _Rescaling.of(op, graph).fixed_points(),
        strict=True,
    ):
        if output.dtype is DType.INT8:
            fields.append((f"{name}_zero_point", quantization_of(tensor).zero_point))
        fields += [(f"{name}_multiplier", point.multiplier), (f"{name}_shift", point.shift)]
    return tuple(fields)


def _rescales_by_shifts(op: Op, graph: Graph) -> bool:
    scales = [
        quantization_of(tensor).scale
        for tensor in (*input_tensors(op, graph), output_tensor(op, graph))
    ]
    return attributes_of(op, ArithmeticAttributes).pot_scale_int16 and all(
        math.frexp(scale)[0] == 0.5 for scale in scales
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
    kind="ADD",
    folder="add",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
