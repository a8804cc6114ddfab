"""The tolerance of each tensor of a model, from those of the operators that lead to it.

An operator's own tolerance supposes equal inputs. In a model its inputs differ already, within
their tolerances, and pass that on: relative to the largest magnitude of a tensor, about as much
as went in, since weights and activations keep errors and values in proportion. Roundings of
different operators are independent, so that their tolerances are added in quadrature, along the
way where they are largest. SOFTMAX, LOGISTIC and TANH exponentiate, which turns an error relative
to the largest input into one that is as many times larger as that input is: here 16 times.

Whatever computes in integers is exact: a model in int8 or int16 has tolerance 0 everywhere, also
behind its DEQUANTIZE. Where floats within a tolerance are rounded to integers, as in a model of
mixed precision, one near the middle of two may go either way: that step is allowed, and handed on
through the integers behind it, whose operators keep the proportion of error and value, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.core.tolerance import EXACT, Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Graph
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import OperatorDefinition

_EXPONENTIAL_GAIN = 16
_EXPONENTIALS = {"SOFTMAX", "LOGISTIC", "TANH"}
_FLOATS = {DType.FLOAT16, DType.FLOAT32, DType.FLOAT64}
_RANGES = {DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767)}
_MOST = 1e-2  # beyond it a comparison would mean little


def tensor_tolerances(
    graph: Graph, definitions: Mapping[str, OperatorDefinition]
) -> tuple[Tolerance, ...]:
    """By tensor index of the graph; EXACT for inputs, constants, and what comes of them exactly."""
    tolerances = [EXACT] * len(graph.tensors)
    for op in graph.ops:
        own = definitions[op.kind].tolerance
        given = [tolerances[index] for index in op.inputs if index != ABSENT]
        gain = _EXPONENTIAL_GAIN if op.kind in _EXPONENTIALS else 1
        largest = max((t.absolute for t in given), default=0.0)
        absolute = math.hypot(own.absolute, gain * largest)
        relative = math.hypot(own.relative, gain * max((t.relative for t in given), default=0.0))
        steps = max((t.steps for t in given), default=0)
        source = graph.tensors[op.inputs[0]]
        for index in op.outputs:
            result = graph.tensors[index]
            if result.dtype not in _FLOATS:
                if source.dtype in _FLOATS:
                    steps = _steps(tolerances[op.inputs[0]], result)
                tolerances[index] = Tolerance(steps=steps)
            elif source.dtype in _FLOATS:
                tolerances[index] = Tolerance(
                    absolute=min(absolute, max(_MOST, largest)), relative=min(relative, _MOST)
                )
            elif steps and source.quantization is not None:
                tolerances[index] = Tolerance(absolute=steps * source.quantization.scale)
    return tuple(tolerances)


def _steps(given: Tolerance, result: Tensor) -> int:
    """By how many steps integers may differ that floats within `given` are rounded to."""
    quantization = result.quantization
    if quantization is None or given.is_exact:
        return 0
    least, greatest = _RANGES[result.dtype]
    # What lies beyond the range is cut off, and no larger value matters.
    n_steps = max(greatest - quantization.zero_point, quantization.zero_point - least)
    return math.ceil(given.absolute / quantization.scale + given.relative * n_steps)
