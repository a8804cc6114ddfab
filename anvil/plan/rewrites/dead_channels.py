"""Channels that nothing reads, or that hold one value for every input, are cut away.

What a constant channel contributed to a convolution or FULLY_CONNECTED is added to the bias.
Sums of kernels wrap around in 32 bits, and addition modulo 2**32 may be reordered at will, so
that a bias which wraps around gives the same bits. Sums of 64 bits, under int16, do not wrap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import DepthwiseConv2DAttributes
from anvil.core.graph import ABSENT
from anvil.core.rewrite import Origin
from anvil.core.tensor import Quantization
from anvil.ops.arrays import array_of
from anvil.ops.integer_weights import bias_array, has_wide_sums
from anvil.ops.requantize import wrap_int32
from anvil.plan.rewrites.bounds import channel_bounds
from anvil.plan.rewrites.evaluate import constant_tensor
from anvil.plan.rewrites.liveness import needed_channels
from anvil.plan.rewrites.weighted import Weighted, weighted_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.bounds import Bounds
    from anvil.plan.rewrites.draft import Draft

    Mask = npt.NDArray[np.bool_]
    Array = npt.NDArray[Any]

_BINARY = {"ADD", "SUB", "MUL"}


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Cut all such channels; the number of channels of all tensors."""
    n_cut = 0
    is_done = False
    while not is_done:
        n_found, is_done = _cut_all(draft, definitions)
        n_cut += n_found
    return n_cut


def _cut_all(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> tuple[int, bool]:
    """How many channels were cut, and whether there can be no more."""
    graph = draft.graph()
    bounds = channel_bounds(graph, definitions)
    needed = needed_channels(graph, bounds)
    # What an earlier rewrite left without a reader or a writer has no channels to cut.
    used = {index for op in graph.ops for index in (*op.inputs, *op.outputs)}
    cut = {index: mask for index, mask in needed.items() if index in used and not mask.all()}
    if not cut:
        return 0, True
    for op in graph.ops:
        if any(index in cut for index in (*op.inputs, *op.outputs)):
            draft.put(op, _cut_op(draft, graph, op, bounds, cut))
    for index, mask in cut.items():
        tensor = graph.tensors[index]
        draft.tensors[index] = replace(tensor, shape=(*tensor.shape[:-1], int(mask.sum())))
        draft.origins[index] = _cut_origin(draft.origins[index], mask, bounds.get(index))
    # Only a depthwise convolution of one channel may lose any of its outputs.
    is_done = not any(
        op.kind == "DEPTHWISE_CONV_2D"
        and op.inputs[0] in cut
        and draft.tensors[op.inputs[0]].shape[-1] == 1 < draft.tensors[op.outputs[0]].shape[-1]
        for op in graph.ops
    )
    return sum(int((~mask).sum()) for mask in cut.values()), is_done


def _cut_origin(origin: Origin | None, mask: Mask, bounds: Bounds | None) -> Origin | None:
    if origin is None:
        return None
    channels = origin.channels or tuple(range(len(mask)))
    constants = dict(origin.constants)
    if bounds is not None:
        for place in np.flatnonzero(~mask & bounds.is_constant).tolist():
            constants[channels[place]] = int(bounds.least[place])
    return replace(
        origin,
        channels=tuple(channels[place] for place in np.flatnonzero(mask).tolist()),
        constants=tuple(sorted(constants.items())),
    )


def _cut_op(
    draft: Draft, graph: Graph, op: Op, bounds: Mapping[int, Bounds], cut: Mapping[int, Mask]
) -> Op:
    weighted = _cut_weighted(draft, graph, op, bounds, cut)
    if weighted is not None:
        return weighted
    inputs = op.inputs
    result = graph.tensors[op.outputs[0]]
    mask = cut.get(op.outputs[0])
    if mask is not None and op.kind in _BINARY:
        inputs = tuple(_cut_operand(draft, graph, index, mask) for index in inputs)
    if mask is not None and op.kind == "RESHAPE" and len(inputs) == 2:
        shape = np.array([*result.shape[:-1], mask.sum()], dtype=np.int32)
        inputs = (inputs[0], draft.add(constant_tensor(graph.tensors[inputs[1]].name, shape)))
    return replace(op, inputs=inputs)


def _cut_operand(draft: Draft, graph: Graph, index: int, mask: Mask) -> int:
    """A constant operand without the channels; one that is the same for all stays as it is."""
    tensor = graph.tensors[index]
    if not tensor.is_constant or not tensor.shape or tensor.shape[-1] != len(mask):
        return index
    return draft.add(constant_tensor(tensor.name, array_of(tensor)[..., mask], tensor))


def _cut_weighted(
    draft: Draft, graph: Graph, op: Op, bounds: Mapping[int, Bounds], cut: Mapping[int, Mask]
) -> Op | None:
    """None where the op is none of the kind."""
    weighted = weighted_of(op, graph)
    if weighted is None:
        return None
    all_inputs = np.ones(weighted.n_inputs, dtype=np.bool_)
    inputs = cut.get(op.inputs[0], all_inputs)
    outputs = cut.get(op.outputs[0], np.ones(weighted.n_outputs, dtype=np.bool_))
    weights = graph.tensors[op.inputs[1]]
    attributes = op.attributes
    match op.kind:
        case "FULLY_CONNECTED":
            values = array_of(weights)[outputs]
            pixels = values.reshape(len(values), -1, weighted.n_inputs)
            values = pixels[:, :, inputs].reshape(len(values), -1)
        case "CONV_2D":
            values = array_of(weights)[outputs][..., inputs]
        case _:
            values = array_of(weights)[..., outputs]
            assert isinstance(attributes, DepthwiseConv2DAttributes)
            attributes = replace(attributes, depth_multiplier=0)
    new_weights = replace(
        _sliced_quantization(weights, outputs),
        shape=values.shape,
        data=np.ascontiguousarray(values).tobytes(),
    )
    bias = _bias(graph, op, weighted, bounds[op.inputs[0]], inputs)
    old_bias = graph.tensors[op.inputs[2]] if _has_bias(op) else None
    indices = [op.inputs[0], draft.add(new_weights)]
    if old_bias is not None:
        like = replace(_sliced_quantization(old_bias, outputs), shape=(0,), data=b"")
        indices.append(draft.add(constant_tensor(old_bias.name, bias[outputs], like)))
    elif bias[outputs].any():
        indices.append(draft.add(constant_tensor(f"{weights.name}/bias", bias[outputs])))
    else:
        indices += op.inputs[2:]
    return replace(op, inputs=tuple(indices), attributes=attributes)


def _has_bias(op: Op) -> bool:
    return len(op.inputs) > 2 and op.inputs[2] != ABSENT


def _bias(graph: Graph, op: Op, weighted: Weighted, source: Bounds, inputs: Mask) -> Array:
    """The bias with what the cut input channels contributed, in the type of the op's biases."""
    bias = bias_array(op, graph, weighted.n_outputs)
    # A depthwise output channel goes with its input channel.
    if weighted.input_of is None and not inputs.all():
        # Taps that leave the image read the zero point everywhere, or the channel would stay.
        values = np.where(~inputs & source.is_constant, source.least - weighted.zero_point, 0)
        sums = (weighted.always.positive + weighted.always.negative).astype(np.int64) @ values
        bias = bias + sums
    return bias if has_wide_sums(op, graph) else wrap_int32(bias)


def _sliced_quantization(tensor: Tensor, outputs: Mask) -> Tensor:
    """The tensor with the scales of these output channels, where each has one of its own."""
    quantization = tensor.quantization
    if quantization is None or not quantization.is_per_channel:
        return tensor
    kept = np.flatnonzero(outputs).tolist()
    return replace(
        tensor,
        quantization=Quantization(
            scales=tuple(quantization.scales[channel] for channel in kept),
            zero_points=tuple(quantization.zero_points[channel] for channel in kept),
            axis=quantization.axis,
        ),
    )
