"""Operators that are a function of one int8 value: a table of 256 results, made at build time.

RELU, RELU6, LOGISTIC and QUANTIZE from int8 to int8 share one kernel, `lookup`: a load, a
look-up and a store for each element, with nothing on the device that could round
differently. A table costs 256 bytes of flash for each use; all but LOGISTIC could also be
computed on the device in about half as much code, at ten times the instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.ops.checks import output_tensor
from anvil.ops.requantize import quantize_multiplier, requantize

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Quantization

Int8Array = npt.NDArray[np.int8]


def int8_values() -> npt.NDArray[np.int32]:
    """Every int8 value as int32, in the order of a table: 0 to 127, then -128 to -1.

    That order is the unsigned one of the same bytes, so that a byte is its own index.
    """
    return np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int32)


def requantizing_table(
    source: Quantization, target: Quantization, real: float, bounds: tuple[int, int]
) -> Int8Array:
    """Each int8 value rescaled by `real` between two zero points, clamped to `bounds`."""
    point = quantize_multiplier(real)
    centred = int8_values() - source.zero_point
    results = requantize(centred, point.multiplier, point.shift) + target.zero_point
    return np.clip(results, *bounds).astype(np.int8)


def look_up(table: Int8Array, values: npt.NDArray[Any]) -> Int8Array:
    """The table's result for each int8 value, in the values' shape."""
    return table[values.view(np.uint8)]


def lookup_call(op: Op, graph: Graph, table: Int8Array) -> KernelCall:
    """The kernel call of an operator that is this table."""
    return KernelCall(
        op="lookup",
        dtype="int8",
        parameters=(("n_elements", output_tensor(op, graph).n_elements),),
        inputs=op.inputs[:1],
        constants=(constant_of("table", table),),
        outputs=op.outputs,
        n_macs=0,
    )
