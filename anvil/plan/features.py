"""The numbers of a kernel call that its cost is a linear function of."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from anvil.core.tensor import DType
from anvil.plan.expressions import evaluate_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import Constant, KernelCall

# A cost is the sum of coefficient * value of an expression over the names of a call.
Linear = tuple[tuple[str, float], ...]
Names = dict[str, int | float]


def call_names(call: KernelCall, graph: Graph, packed: KernelCall | None = None) -> Names:
    """What an expression may name: the call's parameters, and numbers that follow from them.

    packed_NAME: the parameters of the call as its kernel takes it; rows_inside, columns_inside:
    taps of the filter that lie inside the image, summed over all output rows or columns;
    rows_whole, columns_whole: output rows or columns of which all taps do; NAME_last: the
    extent of the innermost loop of a table of loops; input_elements, output_elements,
    input1_elements and so on; macs.
    """
    names: Names = dict(call.parameters)
    if packed is not None:
        names |= {f"packed_{name}": value for name, value in packed.parameters}
    for axis, name in (("h", "rows"), ("w", "columns")):
        if f"filter_{axis}" in names and f"output_{axis}" in names:
            inside = _taps_inside(names, axis)
            names[f"{name}_inside"] = sum(inside)
            names[f"{name}_whole"] = inside.count(int(names[f"filter_{axis}"]))
    for constant in call.constants:
        extent = _innermost_extent(constant)
        if extent is not None:
            names[f"{constant.name}_last"] = extent
    for number, tensor in enumerate(call.inputs):
        elements = graph.tensors[tensor].n_elements
        names[f"input{number + 1}_elements"] = elements
        if number == 0:
            names["input_elements"] = elements
    names["output_elements"] = sum(graph.tensors[tensor].n_elements for tensor in call.outputs)
    names["macs"] = call.n_macs
    return names


def evaluate_linear(linear: Linear, names: Mapping[str, float]) -> float | None:
    """The sum; None where an expression names what the call does not have."""
    values = feature_values([expression for expression, _ in linear], names)
    if values is None:
        return None
    return math.fsum(
        coefficient * value for (_, coefficient), value in zip(linear, values, strict=True)
    )


def feature_values(expressions: Sequence[str], names: Mapping[str, float]) -> list[float] | None:
    """The value of each expression; None where one cannot be evaluated."""
    try:
        return [float(value) for value in evaluate_all(expressions, names)]
    except ValueError:
        return None


def _taps_inside(names: Mapping[str, float], axis: str) -> list[int]:
    """Taps inside the image of each window along one axis, as common/window.h finds them."""
    extent = int(names[f"input_{axis}"])
    n_taps = int(names[f"filter_{axis}"])
    dilation = int(names.get(f"dilation_{axis}", 1))
    before = int(names["pad_top" if axis == "h" else "pad_left"])
    found = []
    for window in range(int(names[f"output_{axis}"])):
        origin = window * int(names[f"stride_{axis}"]) - before
        begin = max(0, -(origin // dilation)) if origin < 0 else 0
        end = min(n_taps, max(0, -(-(extent - origin) // dilation)))
        found.append(max(0, end - begin))
    return found


def _innermost_extent(constant: Constant) -> int | None:
    if constant.dtype is not DType.INT32 or len(constant.shape) != 2 or not constant.data:
        return None
    n_columns = constant.shape[1]
    values = struct.unpack(f"<{n_columns}i", constant.data[-4 * n_columns :])
    return int(values[0])
