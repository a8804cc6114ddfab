"""Convolutions and FULLY_CONNECTED with int8 weights, in one form for what reasons about them.

The weights become sums over taps, one matrix of (output channels, input channels) each, since
within one channel it only matters whether a tap always lies inside the image, or only for some
windows. A tap that never does takes no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Conv2DAttributes, DepthwiseConv2DAttributes
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.checks import attributes_of
from anvil.ops.elementwise import quantization_of
from anvil.ops.integer_weights import bias_array, effective_scales
from anvil.ops.windows import Axis, image_axes

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.graph import Graph, Op

    Floats = npt.NDArray[np.float64]

KINDS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """Sums over some taps of the positive and of the negative weights, exact in float64.

    Of shape (output channels, input channels), or (output channels,) where each output channel
    reads one input channel.
    """

    positive: Floats
    negative: Floats

    @property
    def is_read(self) -> npt.NDArray[np.bool_]:
        """Where any weight is not 0."""
        found: npt.NDArray[np.bool_] = self.positive != self.negative
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """What the output channels of one operator read of its input's channels."""

    n_inputs: int  # extent of the input's last axis
    n_outputs: int
    always: Taps  # that lie inside the image for every window
    sometimes: Taps  # that do for some windows and not for others
    input_of: npt.NDArray[np.intp] | None  # of each output channel; None where each reads all
    zero_point: int  # of the input
    bias: Floats  # of each output channel
    effective_scales: Floats  # of each output channel

    def dot(self, weights: Floats, values: Floats) -> Floats:
        """For each output channel the sum over what it reads of weight times value."""
        if self.input_of is not None:
            return weights * values[self.input_of]
        result: Floats = weights @ values
        return result


def weighted_of(op: Op, graph: Graph) -> Weighted | None:
    """The operator in this form.

    None where it is not on int8 or int16, where channels are grouped, and where the rows that
    FULLY_CONNECTED reads do not begin with the first channel.
    """
    if op.kind not in KINDS:
        return None
    source, weights = (graph.tensors[index] for index in op.inputs[:2])
    result = graph.tensors[op.outputs[0]]
    if source.dtype not in {DType.INT8, DType.INT16} or result.dtype is not source.dtype:
        return None
    if weights.dtype is not DType.INT8 or not weights.is_constant:
        return None
    if not source.shape:
        return None
    n_inputs = source.shape[-1]
    values = array_of(weights)
    taps: npt.NDArray[Any]
    input_of = None
    if op.kind == "FULLY_CONNECTED":
        if values.shape[1] % n_inputs:
            return None
        # As taps: several pixels of the input may make one row.
        taps = values.reshape(values.shape[0], -1, n_inputs)
        reach = np.full(taps.shape[1], _ALWAYS)
    else:
        if op.kind == "CONV_2D":
            if values.shape[3] != n_inputs:
                return None
            taps = values.reshape(values.shape[0], -1, n_inputs)
        else:
            taps = values.reshape(-1, values.shape[3]).T
            input_of = np.arange(values.shape[3]) // (values.shape[3] // n_inputs)
        reach = _reach(op, graph, (values.shape[1], values.shape[2]))
    n_outputs = taps.shape[0]
    return Weighted(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        always=_sums(taps, reach == _ALWAYS),
        sometimes=_sums(taps, reach == _SOMETIMES),
        input_of=input_of,
        zero_point=quantization_of(source).zero_point,
        bias=bias_array(op, graph, n_outputs).astype(np.float64),
        effective_scales=np.broadcast_to(np.array(effective_scales(op, graph)), n_outputs),
    )


_NEVER, _SOMETIMES, _ALWAYS = 0, 1, 2


def _reach(op: Op, graph: Graph, window: tuple[int, int]) -> npt.NDArray[np.int_]:
    """For each tap, row by row, whether it lies inside the image never, sometimes or always."""
    attributes = attributes_of(op, _ATTRIBUTES[op.kind])
    axes = image_axes(graph.tensors[op.inputs[0]].shape, window, attributes)
    rows, columns = (_reach_along(axis) for axis in axes)
    return np.minimum(rows[:, None], columns[None, :]).reshape(-1)


_ATTRIBUTES: dict[str, type[Conv2DAttributes | DepthwiseConv2DAttributes]] = {
    "CONV_2D": Conv2DAttributes,
    "DEPTHWISE_CONV_2D": DepthwiseConv2DAttributes,
}


def _reach_along(axis: Axis) -> npt.NDArray[np.int_]:
    taps = np.arange(axis.n_taps)[:, None] * axis.dilation
    windows = np.arange(axis.n_windows)[None, :] * axis.stride - axis.pad_before
    inside = (taps + windows >= 0) & (taps + windows < axis.extent)
    return np.where(inside.all(axis=1), _ALWAYS, np.where(inside.any(axis=1), _SOMETIMES, _NEVER))


def _sums(taps: npt.NDArray[Any], chosen: npt.NDArray[np.bool_]) -> Taps:
    """Over the taps, which are the second axis."""
    values = taps[:, chosen].astype(np.float64)
    return Taps(
        positive=np.maximum(values, 0).sum(axis=1), negative=np.minimum(values, 0).sum(axis=1)
    )
