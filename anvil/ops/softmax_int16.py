"""SOFTMAX on int16, bit for bit as TFLite's reference: two tables and one division, by a table.

exp is taken from a table over [-10, 0], and the inverse of the sum, brought to [1, 2), from a
table of 1 / (1 + x).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import SoftmaxAttributes
from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.ops.checks import attributes_of, input_tensors, output_tensor, rescaling_problems
from anvil.ops.elementwise import quantization_of
from anvil.ops.interpolation import interpolate, interpolation_table
from anvil.ops.requantize import (
    FixedPoint,
    quantize_multiplier,
    requantize,
    wrap_int32,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.graph import Graph, Op

_MAX_DEPTH = 2**16 - 1  # exponentials of up to 2**15 - 1 whose sum stays below 2**31
_OUTPUT_SCALE = 1 / 2**15
_GREATEST_DIFFERENCE = 2**16 - 1
_TABLE_STEP = 10 / 65535
_LEAST, _GREATEST = -(2**15), 2**15 - 1


def problems(op: Op, graph: Graph) -> list[str]:
    """Refuse long rows, another output scale than 1/32768, and what overflows."""
    source, output = input_tensors(op, graph)[0], output_tensor(op, graph)
    found = []
    if not source.shape:
        found.append(f"its input {source.name!r} is a scalar; it needs an axis to run over")
    elif source.shape[-1] > _MAX_DEPTH:
        found.append(
            f"its last axis has {source.shape[-1]} elements; {_MAX_DEPTH} are the most whose "
            "exponentials can be added up"
        )
    scale = quantization_of(output).scale
    if scale != _OUTPUT_SCALE:
        found.append(f"its output has scale {scale:g}; int16 SOFTMAX has 1/32768, as in TFLite")
    beta = attributes_of(op, SoftmaxAttributes).beta
    if (
        not math.isfinite(beta)
        or beta < 0
        or rescaling_problems(_real(op, graph), _GREATEST_DIFFERENCE)
    ):
        found.append(
            f"its beta {beta:g} times its input scale {quantization_of(source).scale:g} is "
            "negative, infinite or so large that a difference of two inputs overflows 32 bits"
        )
    return found


def reference(op: Op, graph: Graph, values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """int16 probabilities: scale 1/32768."""
    wide = values.astype(np.int64)
    point = _point(op, graph)
    scaled = requantize(wide - wide.max(axis=-1, keepdims=True), point.multiplier, point.shift)
    centred = wrap_int32(scaled.astype(np.int64) + _GREATEST)
    exponentials = interpolate(_exponentials(), np.clip(centred, _LEAST, _GREATEST))
    sums = exponentials.sum(axis=-1, keepdims=True)
    headroom = np.vectorize(lambda total: 32 - int(total).bit_length(), otypes=[np.int64])(sums)
    mantissas = (((sums << (headroom - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16)
    inverses = interpolate(_reciprocals(), np.clip(mantissas, _LEAST, _GREATEST))
    shifts = 31 - headroom
    products = (exponentials * inverses + (np.int64(1) << (shifts - 1))) >> shifts
    probabilities: npt.NDArray[np.int16] = np.clip(products, 0, _GREATEST).astype(np.int16)
    return probabilities


def lower(op: Op, graph: Graph) -> tuple[KernelCall, ...]:
    """One call; rows of the last axis are independent."""
    source = input_tensors(op, graph)[0]
    point = _point(op, graph)
    return (
        KernelCall(
            op="softmax",
            dtype="int16",
            parameters=(
                ("n_rows", math.prod(source.shape[:-1])),
                ("depth", source.shape[-1]),
                ("multiplier", point.multiplier),
                ("shift", point.shift),
            ),
            inputs=op.inputs,
            constants=(
                constant_of("exponentials", _exponentials()),
                constant_of("reciprocals", _reciprocals()),
            ),
            outputs=op.outputs,
            n_macs=0,
        ),
    )


def _real(op: Op, graph: Graph) -> float:
    scale = quantization_of(input_tensors(op, graph)[0]).scale
    return scale * attributes_of(op, SoftmaxAttributes).beta / _TABLE_STEP


def _point(op: Op, graph: Graph) -> FixedPoint:
    return quantize_multiplier(_real(op, graph))


def _exponentials() -> npt.NDArray[np.int16]:
    return interpolation_table(math.exp, -10.0, 0.0)


def _reciprocals() -> npt.NDArray[np.int16]:
    return interpolation_table(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)
