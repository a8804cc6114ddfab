"""PAD becomes the border of the windows that read it.

A convolution leaves out what lies beyond its image, and PAD puts the zero point there, whose
centred value is 0: both add nothing to a sum, in integers and, with a padding of 0.0, in
floats. An average pool divides by the pixels inside, so that it keeps its PAD. A max pool
loses it where the zero point cannot be the greatest of a window and matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import (
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    Margins,
    Padding,
    Pool2DAttributes,
)
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import activation_range, integer_range
from anvil.ops.weights import weights_of
from anvil.ops.windows import image_axes
from anvil.plan.rewrites.bounds import channel_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Fold each PAD whose every reader can take it."""
    n_folded = 0
    for pad in tuple(draft.ops):
        if pad.kind == "PAD" and pad in draft.ops:
            n_folded += _fold(draft, pad, definitions)
    return n_folded


def _fold(draft: Draft, pad: Op, definitions: Mapping[str, OperatorDefinition]) -> int:
    (result,) = pad.outputs
    readers = draft.readers(result)
    margins = _margins(draft, pad)
    if draft.is_output(result) or not readers or margins is None:
        return 0
    graph = draft.graph()
    folded = []
    for reader in readers:
        op = _with_margins(graph, pad, reader, margins, definitions)
        if op is None:
            return 0
        folded.append(op)
    for reader, op in zip(readers, folded, strict=True):
        draft.put(reader, op)
    draft.release(result)
    return 1


def _margins(draft: Draft, pad: Op) -> Margins | None:
    """What it puts around an image; None where it pads batches or channels, too."""
    paddings = array_of(draft.tensors[pad.inputs[1]]).tolist()
    if len(paddings) != 4 or any(paddings[0]) or any(paddings[3]):
        return None
    (top, bottom), (left, right) = paddings[1:3]
    return Margins(top=top, bottom=bottom, left=left, right=right)


def _with_margins(
    graph: Graph,
    pad: Op,
    reader: Op,
    margins: Margins,
    definitions: Mapping[str, OperatorDefinition],
) -> Op | None:
    """The reader on the image that PAD reads; None where that would compute something else."""
    attributes = reader.attributes
    if pad.outputs[0] in reader.inputs[1:]:
        return None
    padded = graph.tensors[pad.outputs[0]]
    if reader.kind in _CONVOLUTIONS and isinstance(
        attributes, Conv2DAttributes | DepthwiseConv2DAttributes
    ):
        weights = weights_of(reader, graph)
        if not weights.is_constant or not np.isfinite(array_of(weights)).all():
            # Times 0 an infinity is no 0.
            return None
        window = (weights.shape[1], weights.shape[2])
    elif (
        reader.kind == "MAX_POOL_2D"
        and isinstance(attributes, Pool2DAttributes)
        and _never_wins(graph, pad, reader, attributes, definitions)
    ):
        window = (attributes.filter_h, attributes.filter_w)
    else:
        return None
    vertical, horizontal = image_axes(padded.shape, window, attributes)
    # What the reader itself puts around the padded image comes on top.
    total = Margins(
        top=margins.top + vertical.pad_before,
        bottom=margins.bottom + vertical.pad_after,
        left=margins.left + horizontal.pad_before,
        right=margins.right + horizontal.pad_after,
    )
    op = replace(
        reader,
        inputs=(pad.inputs[0], *reader.inputs[1:]),
        attributes=replace(attributes, padding=Padding.EXPLICIT, margins=total),
    )
    return None if definitions[op.kind].check(op, graph) else op


def _never_wins(
    graph: Graph,
    pad: Op,
    reader: Op,
    attributes: Pool2DAttributes,
    definitions: Mapping[str, OperatorDefinition],
) -> bool:
    """Whether a window's clamped maximum is the same with and without the zero point in it."""
    image, result = graph.tensors[pad.inputs[0]], graph.tensors[reader.outputs[0]]
    if image.dtype is not DType.INT8:
        return False
    zero_point = quantization_of(image).zero_point
    if zero_point == integer_range(image.dtype)[0]:
        return True
    least, _ = activation_range(attributes.activation, quantization_of(result), result.dtype)
    if least >= zero_point:
        return True
    bounds = channel_bounds(graph, definitions).get(pad.inputs[0])
    return bounds is not None and bool((bounds.least >= zero_point).all())
