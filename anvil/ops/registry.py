"""Every operator that Anvil knows, by TFLite's builtin name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from anvil.ops import (
    add,
    anvil_table,
    average_pool_2d,
    concatenation,
    conv_2d,
    depthwise_conv_2d,
    dequantize,
    fully_connected,
    logistic,
    max_pool_2d,
    mean,
    mul,
    pad,
    quantize,
    relu,
    relu6,
    reshape,
    softmax,
    tanh,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.ops.definition import OperatorDefinition

_OPERATORS = (
    add,
    anvil_table,
    average_pool_2d,
    concatenation,
    conv_2d,
    depthwise_conv_2d,
    dequantize,
    fully_connected,
    logistic,
    max_pool_2d,
    mean,
    mul,
    pad,
    quantize,
    relu,
    relu6,
    reshape,
    softmax,
    tanh,
)

# Operators that no file has: the planner makes them.
INTERNAL = frozenset({anvil_table.DEFINITION.kind})

DEFINITIONS: Mapping[str, OperatorDefinition] = MappingProxyType(
    {operator.DEFINITION.kind: operator.DEFINITION for operator in _OPERATORS}
)
