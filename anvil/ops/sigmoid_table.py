"""What LOGISTIC and TANH on int16 share: one table of the sigmoid, and the scaling to its steps.

The table holds 1 / (1 + exp(-x)) - 1/2 for x = 0, 1/24, 2/24, ... in Q0.16. TFLite's reference
has the same, a half above it; each entry is raised by half of the error that interpolating
would have in the middle of the piece after it. That reproduces every entry which its results
determine (found by running it on every input at many scales). Both operators bring their
input to steps of 1/12288 first, with a multiplier of 15 bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.ops.checks import input_tensors, output_tensor
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import round_half_away

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op

_N_ENTRIES = 256
_ENTRIES_PER_UNIT = 24
_STEPS_PER_UNIT = 4096.0 * 3.0
_OUTPUT_SCALE = 1 / 2**15
_LARGEST_MULTIPLIER = 2**15 - 1
_MAX_SHIFT = 31


def sigmoid_table() -> npt.NDArray[np.int16]:
    """256 entries from 0 upwards."""

    def exact(entry: float) -> float:
        return 2**16 / (1.0 + math.exp(-entry / _ENTRIES_PER_UNIT))

    entries = [
        round_half_away(exact(i) + (exact(i + 0.5) - (exact(i) + exact(i + 1)) / 2) / 2)
        for i in range(_N_ENTRIES - 1)
    ]
    # The last entry is what the function has beyond the table.
    return (np.array([*entries, 2**16 - 1]) - 2**15).astype(np.int16)


def table_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse another output scale than 1/32768, and an input scale beyond the multiplier."""
    source, output = (
        quantization_of(tensor).scale
        for tensor in (input_tensors(op, graph)[0], output_tensor(op, graph))
    )
    problems = []
    if output != _OUTPUT_SCALE:
        problems.append(
            f"its output has scale {output:g}; int16 {op.kind} has 1/32768, as in TFLite"
        )
    if source * _STEPS_PER_UNIT > _LARGEST_MULTIPLIER:
        problems.append(
            f"its input scale is {source:g}; {_LARGEST_MULTIPLIER / _STEPS_PER_UNIT:.4g} is the "
            "largest that TFLite can bring to its table"
        )
    return problems


def table_call(op: Op, graph: Graph) -> KernelCall:
    """The call of the kernel of the operator's name."""
    multiplier, shift = _scaling(op, graph)
    return KernelCall(
        op=op.kind.lower(),
        dtype="int16",
        parameters=(
            ("n_elements", output_tensor(op, graph).n_elements),
            ("multiplier", multiplier),
            ("shift", shift),
        ),
        inputs=op.inputs,
        constants=(constant_of("sigmoid", sigmoid_table()),),
        outputs=op.outputs,
        n_macs=0,
    )


def table_steps(op: Op, graph: Graph, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The input in steps of 1/12288, rounded with halves up."""
    multiplier, shift = _scaling(op, graph)
    half = 1 << (shift - 1) if shift else 0
    return (values.astype(np.int64) * multiplier + half) >> shift


def sigmoid(magnitudes: npt.NDArray[np.int64], piece_bits: int, beyond: int) -> Any:  # noqa: ANN401
    """The table at `magnitudes` >= 0, interpolated over pieces of 2**piece_bits steps.

    With piece_bits more fractional bits than the table; `beyond` is the result where the table
    ends.
    """
    table = sigmoid_table().astype(np.int64) + 2**15
    index = magnitudes >> piece_bits
    inside = index < _N_ENTRIES - 1
    index = np.where(inside, index, 0)
    fraction = magnitudes & ((1 << piece_bits) - 1)
    interpolated = (table[index] << piece_bits) + fraction * (table[index + 1] - table[index])
    return np.where(inside, interpolated, beyond)


def _scaling(op: Op, graph: Graph) -> tuple[int, int]:
    real = quantization_of(input_tensors(op, graph)[0]).scale * _STEPS_PER_UNIT
    shift = 0
    while real <= _LARGEST_MULTIPLIER / 2 and shift < _MAX_SHIFT:
        shift += 1
        real *= 2.0
    return int(real), shift
