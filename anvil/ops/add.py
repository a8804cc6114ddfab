"""ADD of two int8 tensors, with broadcasting and a fused activation.

Both operands are shifted left by 20 bits and brought to half of a common scale, twice the
larger of the two, so that their sum is exact to a fraction of a step; the sum is then
brought to the output's scale. Each rescaling rounds twice, as TFLite's reference does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import ArithmeticAttributes
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.broadcast import broadcast_loops
from anvil.ops.checks import attributes_of, input_tensors, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import binary_problems, binary_shape, quantization_of
from anvil.ops.loops import loop_table, n_rows
from anvil.ops.requantize import FixedPoint, activation_range, quantize_multiplier, requantize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array, Shape

_LEFT_SHIFT = 20  # the C kernel has the same


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
        output = quantization_of(output_tensor(op, graph)).scale
        return cls(
            first=first / twice_larger,
            second=second / twice_larger,
            output=twice_larger / ((1 << _LEFT_SHIFT) * output),
        )

    def fixed_points(self) -> tuple[FixedPoint, FixedPoint, FixedPoint]:
        return (
            quantize_multiplier(self.first),
            quantize_multiplier(self.second),
            quantize_multiplier(self.output),
        )


def check(op: Op, graph: Graph) -> list[str]:
    """Refuse all but int8 with one scale each, of shapes that go together."""
    problems = binary_problems(op, graph)
    if problems:
        return problems
    rescaling = _Rescaling.of(op, graph)
    if quantize_multiplier(rescaling.output).shift > 0 or rescaling.output >= 1.0:
        return [
            (
                "its larger input scale is 2**19 or more times its output scale, which TFLite "
                "refuses; quantize the model with an output scale nearer to its inputs'"
            )
        ]
    return []


def infer_shapes(op: Op, graph: Graph) -> tuple[Shape, ...]:
    """The broadcast shape of both inputs."""
    return (binary_shape(op, graph),)


def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    """int8 sum in the output's quantization."""
    operands = []
    *points, output_point = _Rescaling.of(op, graph).fixed_points()
    for tensor, values, point in zip(input_tensors(op, graph), inputs, points, strict=True):
        assert values is not None
        centred = values.astype(np.int32) - quantization_of(tensor).zero_point
        operands.append(requantize(centred << _LEFT_SHIFT, point.multiplier, point.shift))
    total = requantize(operands[0] + operands[1], output_point.multiplier, output_point.shift)
    quantization = quantization_of(output_tensor(op, graph))
    least, greatest = _range(op, graph)
    return (np.clip(total + quantization.zero_point, least, greatest).astype(np.int8),)


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call, over loops that broadcast."""
    first, second = input_tensors(op, graph)
    output = output_tensor(op, graph)
    loops = broadcast_loops(first.shape, second.shape, output.shape)
    point_1, point_2, output_point = _Rescaling.of(op, graph).fixed_points()
    least, greatest = _range(op, graph)
    return (
        KernelCall(
            op="add",
            dtype="int8",
            parameters=(
                ("n_rows", n_rows(loops)),
                ("n_loops", len(loops)),
                ("input1_zero_point", quantization_of(first).zero_point),
                ("input1_multiplier", point_1.multiplier),
                ("input1_shift", point_1.shift),
                ("input2_zero_point", quantization_of(second).zero_point),
                ("input2_multiplier", point_2.multiplier),
                ("input2_shift", point_2.shift),
                ("output_zero_point", quantization_of(output).zero_point),
                ("output_multiplier", output_point.multiplier),
                ("output_shift", output_point.shift),
                ("output_min", least),
                ("output_max", greatest),
            ),
            inputs=op.inputs,
            constants=(loop_table("loops", loops),),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


def _range(op: Op, graph: Graph) -> tuple[int, int]:
    activation = attributes_of(op, ArithmeticAttributes).activation
    return activation_range(activation, quantization_of(output_tensor(op, graph)), DType.INT8)


DEFINITION = OperatorDefinition(
    kind="ADD",
    folder="add",
    is_alias=False,
    check=check,
    infer_shapes=infer_shapes,
    reference=reference,
    lower=lower,
)
