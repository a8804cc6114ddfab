"""RELU and the like become the clamp of the operator before, or nothing where they never clamp.

In integers this is exact where both tensors of the RELU have one quantization: the rescaling by
1 gives every value back, and two clamps in a row are one clamp to what both allow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anvil.core.attributes import Activation
from anvil.core.tensor import DType
from anvil.ops.elementwise import quantization_of
from anvil.ops.requantize import activation_range
from anvil.plan.rewrites.bounds import channel_bounds
from anvil.plan.rewrites.chains import same_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft

_STAND_ALONE = {
    "RELU": Activation.RELU,
    "RELU6": Activation.RELU6,
    "RELU_N1_TO_1": Activation.RELU_N1_TO_1,
}
# TFLite allows CONCATENATION none.
_CLAMPING = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "MUL",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
}
_INTEGERS = {DType.INT8, DType.INT16}


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Merge or remove each stand-alone activation where the bits stay."""
    n_changed = 0
    for op in tuple(draft.ops):
        if op.kind in _STAND_ALONE and op in draft.ops:
            n_changed += _merge(draft, op) or _remove(draft, op, definitions)
    return n_changed


def _merge(draft: Draft, op: Op) -> int:
    source, result = op.inputs[0], op.outputs[0]
    producer = draft.producer(source)
    if producer is None or producer.kind not in _CLAMPING:
        return 0
    if draft.is_port(source) or len(draft.readers(source)) > 1:
        return 0
    tensor = draft.tensors[result]
    if not same_values(draft.tensors[source], tensor):
        return 0
    # Each of these kinds has attributes of its own, all of them with an activation.
    attributes: Any = producer.attributes
    both = _both(attributes.activation, _STAND_ALONE[op.kind], tensor)
    if both is None:
        return 0
    draft.ops.remove(op)
    draft.put(
        producer,
        replace(producer, outputs=(result,), attributes=replace(attributes, activation=both)),
    )
    return 1


def _both(first: Activation, second: Activation, tensor: Tensor) -> Activation | None:
    """The activation that clamps like `first` and then `second`; None where none does."""
    if tensor.dtype in _INTEGERS:
        quantization = quantization_of(tensor)
        ranges = {a: activation_range(a, quantization, tensor.dtype) for a in Activation}
        least = max(ranges[first][0], ranges[second][0])
        greatest = min(ranges[first][1], ranges[second][1])
        if least > greatest:
            return None
        # Of two that are equal here, the one that the model asks for tells a reader more.
        order = (second, first, *Activation)
        return next((a for a in order if ranges[a] == (least, greatest)), None)
    if first is Activation.NONE or first is second:
        return second
    if {first, second} == {Activation.RELU, Activation.RELU6}:
        return Activation.RELU6
    return None


def _remove(draft: Draft, op: Op, definitions: Mapping[str, OperatorDefinition]) -> int:
    """An activation whose input never leaves the range that it allows changes nothing."""
    source, result = draft.tensors[op.inputs[0]], draft.tensors[op.outputs[0]]
    if source.dtype is not DType.INT8 or not same_values(source, result):
        return 0
    bounds = channel_bounds(draft.graph(), definitions).get(op.inputs[0])
    if bounds is None:
        return 0
    least, greatest = activation_range(_STAND_ALONE[op.kind], quantization_of(result), result.dtype)
    if bounds.least.min() < least or bounds.greatest.max() > greatest:
        return 0
    return int(draft.bypass(op))
