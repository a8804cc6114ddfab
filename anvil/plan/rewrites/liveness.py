"""Which channels of each tensor are needed.

Needed are the channels of the model's ports and of whatever cannot be cut. From there need
spreads: an output channel of a convolution needs the input channels for which it has a weight,
unless such a channel holds one value that its bias can take over; operators that keep channels
apart need a channel everywhere or nowhere. What need does not reach can be removed at once.

A convolution whose window reaches beyond the image reads 0 there (the centred zero point), and
not the channel's value. Its bias takes over a constant only where no weight for that channel
ever lies beyond the image, or where the constant is the zero point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import ConcatenationAttributes
from anvil.core.graph import ABSENT
from anvil.ops.arrays import array_of
from anvil.ops.checks import attributes_of
from anvil.plan.rewrites.bounds import ELEMENTWISE
from anvil.plan.rewrites.weighted import weighted_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.plan.rewrites.bounds import Bounds
    from anvil.plan.rewrites.weighted import Weighted

    Mask = npt.NDArray[np.bool_]

_SAME_CHANNELS = ELEMENTWISE | {"DEQUANTIZE", "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "MEAN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coupling:
    """Channels of two tensors, in pairs, that are needed together."""

    one: int
    one_channels: npt.NDArray[np.intp]
    other: int
    other_channels: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Which input channels each output channel of a convolution needs: a mask of shape (O, I)."""

    source: int
    result: int
    needs: Mask


def needed_channels(graph: Graph, bounds: Mapping[int, Bounds]) -> dict[int, Mask]:
    """For each computed tensor with an axis, by index, the channels that must stay.

    At least one channel of each stays: a tensor has elements.
    """
    needed = {
        index: np.zeros(tensor.shape[-1], dtype=np.bool_)
        for index, tensor in enumerate(graph.tensors)
        if not tensor.is_constant and tensor.shape
    }
    couplings: list[_Coupling] = []
    readings: list[_Reading] = []
    for index in (*graph.inputs, *graph.outputs):
        if index in needed:
            needed[index][:] = True
    for op in graph.ops:
        if not _relate(op, graph, bounds, couplings, readings):
            for index in (*op.inputs, *op.outputs):
                if index in needed:
                    needed[index][:] = True
    _spread(needed, couplings, readings)
    # From the end: what a tensor keeps may need a channel of the ones before it.
    for op in reversed(graph.ops):
        for index in op.outputs:
            if index in needed and not needed[index].any():
                needed[index][0] = True
                _spread(needed, couplings, readings)
    return needed


def _spread(
    needed: Mapping[int, Mask], couplings: list[_Coupling], readings: list[_Reading]
) -> None:
    """Until nothing more is needed; from the end, since need runs against the data."""
    before = -1
    while before != (now := sum(int(mask.sum()) for mask in needed.values())):
        before = now
        for reading in reversed(readings):
            outputs = needed[reading.result]
            needed[reading.source][reading.needs[outputs].any(axis=0)] = True
        for pair in reversed(couplings):
            one, other = needed[pair.one], needed[pair.other]
            either = one[pair.one_channels] | other[pair.other_channels]
            one[pair.one_channels[either]] = True
            other[pair.other_channels[either]] = True


def _relate(
    op: Op,
    graph: Graph,
    bounds: Mapping[int, Bounds],
    couplings: list[_Coupling],
    readings: list[_Reading],
) -> bool:
    """Add how the op's tensors depend on each other; False where none of them can be cut."""
    computed = [i for i in op.inputs if i != ABSENT and not graph.tensors[i].is_constant]
    result = op.outputs[0]
    if not computed or not graph.tensors[result].shape:
        return False
    if any(not graph.tensors[index].shape for index in computed):
        return False
    n_outputs = graph.tensors[result].shape[-1]
    everything = np.arange(n_outputs)

    weighted = weighted_of(op, graph)
    if weighted is not None:
        # Weights are constants, so that only one input is computed.
        (source,) = computed
        if weighted.input_of is None:
            readings.append(
                _Reading(source=source, result=result, needs=needs_of(weighted, bounds[source]))
            )
        elif weighted.n_inputs == 1:
            always = np.ones((n_outputs, 1), dtype=np.bool_)
            readings.append(_Reading(source=source, result=result, needs=always))
        else:
            couplings.append(_pairs(result, everything, source, weighted.input_of))
        return True

    if op.kind == "CONCATENATION":
        axis = attributes_of(op, ConcatenationAttributes).axis
        if len(computed) != len(op.inputs):
            return False
        along_channels = axis % len(graph.tensors[result].shape) == (
            len(graph.tensors[result].shape) - 1
        )
        offset = 0
        for source in computed:
            own = np.arange(graph.tensors[source].shape[-1])
            couplings.append(_pairs(result, own + offset, source, own))
            offset += len(own) if along_channels else 0
        return True

    if op.kind == "RESHAPE":
        n_inputs = graph.tensors[computed[0]].shape[-1]
        if n_outputs % n_inputs:
            return False
        couplings.append(_pairs(result, everything, computed[0], everything % n_inputs))
        return True

    if op.kind not in _SAME_CHANNELS or not _keeps_channels_apart(op, graph):
        return False
    couplings += [_pairs(result, everything, source, everything) for source in computed]
    return True


def _pairs(
    one: int, one_channels: npt.NDArray[np.intp], other: int, other_channels: npt.NDArray[np.intp]
) -> _Coupling:
    return _Coupling(one=one, one_channels=one_channels, other=other, other_channels=other_channels)


def _keeps_channels_apart(op: Op, graph: Graph) -> bool:
    """Whether output channel c is made of input channel c alone, in each computed input."""
    n_outputs = graph.tensors[op.outputs[0]].shape[-1]
    if any(
        not graph.tensors[i].is_constant and graph.tensors[i].shape[-1] != n_outputs
        for i in op.inputs
    ):
        return False
    if op.kind == "PAD":
        return not array_of(graph.tensors[op.inputs[1]])[-1].any()
    if op.kind == "MEAN":
        rank = len(graph.tensors[op.inputs[0]].shape)
        return rank - 1 not in {int(a) % rank for a in array_of(graph.tensors[op.inputs[1]]).flat}
    return True


def needs_of(weighted: Weighted, bounds: Bounds) -> Mask:
    """Which input channels (O, I) each output channel cannot do without."""
    constant = bounds.is_constant
    is_zero_point = constant & (bounds.least == weighted.zero_point)
    always, sometimes = weighted.always.is_read, weighted.sometimes.is_read
    needs: Mask = (always & ~constant) | (sometimes & ~is_zero_point)
    return needs
