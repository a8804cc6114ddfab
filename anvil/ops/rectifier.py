"""What RELU and RELU6 share: a clamp that also rescales, as a table.

The model's converter fuses nearly all of them into the operator before; what is left is
rare, so that a table of 256 bytes is cheaper than a kernel of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.ops.checks import input_tensors, output_tensor, rescaling_problems
from anvil.ops.definition import OperatorDefinition
from anvil.ops.elementwise import quantization_of, unary_problems, unary_shapes
from anvil.ops.lookup_table import look_up, lookup_call, requantizing_table
from anvil.ops.requantize import activation_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.attributes import Activation
    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.ops.definition import Array
    from anvil.ops.lookup_table import Int8Array

_GREATEST_DIFFERENCE = 255


def rectifier(kind: str, activation: Activation) -> OperatorDefinition:
    """The operator that clamps to what `activation` allows in the output's quantization."""

    def check(op: Op, graph: Graph) -> list[str]:
        problems = unary_problems(op, graph)
        if problems:
            return problems
        return rescaling_problems(_real_multiplier(op, graph), _GREATEST_DIFFERENCE)

    def table(op: Op, graph: Graph) -> Int8Array:
        source = quantization_of(input_tensors(op, graph)[0])
        target = quantization_of(output_tensor(op, graph))
        bounds = activation_range(activation, target, DType.INT8)
        return requantizing_table(source, target, _real_multiplier(op, graph), bounds)

    def reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        (values,) = inputs
        assert values is not None
        return (look_up(table(op, graph), values),)

    def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
        return (lookup_call(op, graph, table(op, graph)),)

    return OperatorDefinition(
        kind=kind,
        folder="lookup",
        is_alias=False,
        check=check,
        infer_shapes=unary_shapes,
        reference=reference,
        lower=lower,
    )


def _real_multiplier(op: Op, graph: Graph) -> float:
    """Computed in float32, as TFLite does."""
    source = np.float32(quantization_of(input_tensors(op, graph)[0]).scale)
    with np.errstate(over="ignore", under="ignore"):
        return float(source / np.float32(quantization_of(output_tensor(op, graph)).scale))
