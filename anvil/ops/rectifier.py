"""What RELU and RELU6 share: a clamp that also rescales; on int8 it is a table.

The model's converter fuses nearly all of them into the operator before; what is left is
rare, so that on int8 a table of 256 bytes is cheaper than a kernel of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Activation
from anvil.core.plan import KernelCall
from anvil.core.tensor import DType
from anvil.ops.checks import input_tensors, output_tensor, rescaling_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_problems, unary_shapes
from anvil.ops.float_activation import float_range
from anvil.ops.lookup_table import look_up, lookup_call, requantizing_table
from anvil.ops.requantize import activation_range, quantize_multiplier, requantize

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array
    from anvil.ops.lookup_table import Int8Array

_GREATEST_DIFFERENCES = {DType.INT8: 255, DType.INT16: 2**15}


def rectifier(kind: str, activation: Activation) -> OperatorDefinition:
    """The operator that clamps to what `activation` allows in the output's quantization."""

    def check(op: Op, graph: Graph) -> list[str]:
        problems = unary_problems(op, graph)
        dtype = output_tensor(op, graph).dtype
        if problems or dtype is DType.FLOAT32:
            return problems
        return rescaling_problems(_real_multiplier(op, graph), _GREATEST_DIFFERENCES[dtype])

    def bounds(op: Op, graph: Graph) -> tuple[int, int]:
        output = output_tensor(op, graph)
        return activation_range(activation, quantization_of(output), output.dtype)

    def table(op: Op, graph: Graph) -> Int8Array:
        source = quantization_of(input_tensors(op, graph)[0])
        target = quantization_of(output_tensor(op, graph))
        real = _real_multiplier(op, graph)
        return requantizing_table(source, target, real, bounds(op, graph))

    def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        (values,) = inputs
        assert values is not None
        dtype = output_tensor(op, graph).dtype
        if dtype is DType.FLOAT32:
            return (_clamp(values.astype(np.float32), activation),)
        if dtype is DType.INT8:
            return (look_up(table(op, graph), values),)
        point = quantize_multiplier(_real_multiplier(op, graph))
        rescaled = requantize(values, point.multiplier, point.shift)
        return (np.clip(rescaled, *bounds(op, graph)).astype(np.int16),)

    def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
        output = output_tensor(op, graph)
        if output.dtype is DType.INT8:
            return (lookup_call(op, graph, table(op, graph)),)
        fields: tuple[tuple[str, int | float], ...] = ()
        if output.dtype is DType.FLOAT32:
            least, greatest = _float_bounds(activation)
        else:
            point = quantize_multiplier(_real_multiplier(op, graph))
            fields = (("multiplier", point.multiplier), ("shift", point.shift))
            least, greatest = bounds(op, graph)
        return (
            KernelCall(
                op="relu",
                dtype=output.dtype.value,
                parameters=(
                    ("n_elements", output.n_elements),
                    *fields,
                    ("output_min", least),
                    ("output_max", greatest),
                ),
                inputs=op.inputs,
                constants=(),
                outputs=op.outputs,
                n_macs=0,
            ),
        )

    return OperatorDefinition(
        kind=kind,
        folder="lookup",
        is_alias=False,
        check=check,
        infer_shapes=unary_shapes,
        reference=reference,
        lower=lower,
        other_folders=("relu",),
    )


def _float_bounds(activation: Activation) -> tuple[float, float]:
    least, greatest = float_range(activation)
    # Unlike a fused RELU, RELU lets an infinity through.
    return least, math.inf if activation is Activation.RELU else greatest


def _clamp(values: npt.NDArray[np.float32], activation: Activation) -> npt.NDArray[np.float32]:
    least, greatest = (np.float32(bound) for bound in _float_bounds(activation))
    raised = np.where(values < least, least, values)
    return np.where(raised > greatest, greatest, raised)


def _real_multiplier(op: Op, graph: Graph) -> float:
    """Computed in float32, as TFLite does."""
    source = np.float32(quantization_of(input_tensors(op, graph)[0]).scale)
    with np.errstate(over="ignore", under="ignore"):
        return float(source / np.float32(quantization_of(output_tensor(op, graph)).scale))
