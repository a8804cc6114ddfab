"""The inferences that every target is verified with.

They are the same bytes on every machine and with every version of every package: random
ones come from SHAKE-256 over a label, not from a library's generator.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.tensor import DType, Quantization, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph

N_RANDOM = 16
_INTEGERS = {
    DType.INT8: "b",
    DType.UINT8: "B",
    DType.INT16: "h",
    DType.INT32: "i",
    DType.INT64: "q",
}
_FLOATS = {DType.FLOAT16: "e", DType.FLOAT32: "f", DType.FLOAT64: "d"}
# Beyond both ends of a quantized range, so that saturation is exercised, too.
_STEPS_BEYOND = 4
_DEFAULT_RANGE = (-1.0, 1.0)
# A model may hold any scale: what its own type cannot hold is cut off.
_LARGEST_FLOAT16 = 65504.0
_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedInference:
    """One inference's input tensors, raw little-endian, in the model's order."""

    name: str  # for people: "random 3", "all lowest"
    inputs: tuple[bytes, ...]


def standard_inferences(graph: Graph, *, n_random: int = N_RANDOM) -> tuple[NamedInference, ...]:
    """`n_random` random inferences, then all lowest, all highest and all zero point.

    Integers are uniform over their whole type: for int8 the last three are all -128, all
    127 and all zero point (0 where the tensor has none). Floats are uniform over the range
    of the QUANTIZE that reads them and a little beyond, [-1, 1) where there is none; their
    last three are the two ends and 0.

    >>> [inference.name for inference in standard_inferences(graph, n_random=2)]
    ['random 0', 'random 1', 'all lowest', 'all highest', 'all zero point']
    """
    indices = range(len(graph.inputs))
    named = [
        NamedInference(
            name=f"random {n}", inputs=tuple(_random(graph, port, label=f"{n}") for port in indices)
        )
        for n in range(n_random)
    ]
    for which, name in enumerate(("all lowest", "all highest", "all zero point")):
        inputs = tuple(
            _filled(graph.tensors[graph.inputs[port]], _landmarks(graph, port)[which])
            for port in indices
        )
        named.append(NamedInference(name=name, inputs=inputs))
    return tuple(named)


def _random(graph: Graph, port: int, *, label: str) -> bytes:
    tensor = graph.tensors[graph.inputs[port]]
    stream = hashlib.shake_256(f"anvil verification input {port}, inference {label}".encode())
    if tensor.dtype in _INTEGERS:
        return stream.digest(tensor.n_bytes)
    if tensor.dtype is DType.BOOL:
        return bytes(byte & 1 for byte in stream.digest(tensor.n_bytes))
    low, high = _float_range(graph, port)
    numbers = struct.unpack(f"<{tensor.n_elements}I", stream.digest(4 * tensor.n_elements))
    # 2^-32 is exact, and the product is rounded once, to the tensor's own type.
    return _pack(tensor, [low + (high - low) * (number * 2.0**-32) for number in numbers])


def _landmarks(graph: Graph, port: int) -> tuple[float, float, float]:
    """Lowest, highest and zero point."""
    tensor = graph.tensors[graph.inputs[port]]
    if tensor.dtype in _FLOATS:
        return (*_float_range(graph, port), 0.0)
    if tensor.dtype is DType.BOOL:
        return (0, 1, 0)
    n_bits = 8 * tensor.dtype.n_bytes
    zero_point = 0 if tensor.quantization is None else tensor.quantization.zero_point
    if tensor.dtype is DType.UINT8:
        return (0, 2**n_bits - 1, zero_point)
    return (-(2 ** (n_bits - 1)), 2 ** (n_bits - 1) - 1, zero_point)


def _float_range(graph: Graph, port: int) -> tuple[float, float]:
    index = graph.inputs[port]
    ranges = [
        _real_range(output.quantization, output.dtype)
        for op in graph.ops
        if op.kind == "QUANTIZE" and index in op.inputs
        for output in (graph.tensors[op.outputs[0]],)
        if output.quantization is not None and output.dtype in _INTEGERS
    ]
    if not ranges:
        return _DEFAULT_RANGE
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if graph.tensors[index].dtype is DType.FLOAT16:
        return max(low, -_LARGEST_FLOAT16), min(high, _LARGEST_FLOAT16)
    return max(low, -_LARGEST_FLOAT32), min(high, _LARGEST_FLOAT32)


def _real_range(quantization: Quantization, dtype: DType) -> tuple[float, float]:
    n_values = 2 ** (8 * dtype.n_bytes)
    lowest = 0 if dtype is DType.UINT8 else -n_values // 2
    low = lowest - _STEPS_BEYOND - quantization.zero_point
    high = lowest + n_values - 1 + _STEPS_BEYOND - quantization.zero_point
    return quantization.scale * low, quantization.scale * high


def _filled(tensor: Tensor, value: float) -> bytes:
    return _pack(tensor, [value] * tensor.n_elements)


def _pack(tensor: Tensor, values: Sequence[float]) -> bytes:
    if tensor.dtype is DType.BOOL:
        return bytes(int(value) for value in values)
    if tensor.dtype in _INTEGERS:
        integers = [math.trunc(value) for value in values]
        return struct.pack(f"<{len(integers)}{_INTEGERS[tensor.dtype]}", *integers)
    return struct.pack(f"<{len(values)}{_FLOATS[tensor.dtype]}", *values)
