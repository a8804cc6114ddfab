"""The tolerance of each tensor of a model, from those of the operators that lead to it.

An operator's own tolerance supposes equal inputs. In a model its inputs differ already, within
their tolerances, and pass that on: relative to the largest magnitude of a tensor, about as much
as went in, since weights and activations keep errors and values in proportion. Roundings of
different operators are independent, so that their tolerances are added in quadrature, along the
way where they are largest. SOFTMAX, LOGISTIC and TANH exponentiate, which turns an error relative
to the largest input into one that is as many times larger as that input is: here 16 times.

Whatever computes in integers is exact and begins anew: a model in int8 or int16 has tolerance 0
everywhere, also behind its DEQUANTIZE.
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
    from anvil.ops.definition import OperatorDefinition

_EXPONENTIAL_GAIN = 16
_EXPONENTIALS = {"SOFTMAX", "LOGISTIC", "TANH"}
_FLOATS = {DType.FLOAT16, DType.FLOAT32, DType.FLOAT64}
_MOST = 1e-2  # beyond it a comparison would mean little


def tensor_tolerances(
    graph: Graph, definitions: Mapping[str, OperatorDefinition]
) -> tuple[Tolerance, ...]:
    """By tensor index of the graph; EXACT for inputs, constants and integers."""
    tolerances = [EXACT] * len(graph.tensors)
    for op in graph.ops:
        own = definitions[op.kind].tolerance
        given = [tolerances[index] for index in op.inputs if index != ABSENT]
        gain = _EXPONENTIAL_GAIN if op.kind in _EXPONENTIALS else 1
        absolute = math.hypot(own.absolute, gain * max((t.absolute for t in given), default=0.0))
        relative = math.hypot(own.relative, gain * max((t.relative for t in given), default=0.0))
        for index in op.outputs:
            if graph.tensors[index].dtype in _FLOATS and not _from_integers(graph, op.inputs):
                tolerances[index] = Tolerance(
                    absolute=min(absolute, _MOST), relative=min(relative, _MOST)
                )
    return tuple(tolerances)


def _from_integers(graph: Graph, inputs: tuple[int, ...]) -> bool:
    """Whether an operator's first input is in integers: it is a DEQUANTIZE."""
    return graph.tensors[inputs[0]].dtype not in _FLOATS
