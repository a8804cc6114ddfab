"""From a file's tensors to the graph's, and what makes a tensor unusable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anvil.core.tensor import DType, Quantization, Tensor
from anvil.importers.schema import AFFINE_QUANTIZATION, DTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.importers.tflite_file import FileQuantization, FileTensor

_MAX_TENSOR_BYTES = 2**31 - 1  # offsets into the arena are int32_t on a device
_ZERO_POINT_RANGES = {
    DType.INT8: (-128, 127),
    DType.UINT8: (0, 255),
    DType.INT16: (-32768, 32767),
    DType.INT32: (-(2**31), 2**31 - 1),
}


def tensor_problem(tensor: FileTensor) -> str | None:
    """Why nothing may use a tensor, in one clause; None where it may be used."""
    name = tensor.label
    shape = list(tensor.shape)
    dtype = DTYPES.get(tensor.type)
    if dtype is None:
        return f"{name} has the element type {tensor.type_name}"
    if tensor.is_sparse:
        return f"{name} is stored as a sparse matrix; convert the model without sparsity"
    if tensor.is_variable:
        return f"{name} is a variable, and models that keep state are not supported"
    if tensor.is_external:
        return f"{name} has its values in another file"
    if any(extent < 0 for extent in shape):
        return f"{name} has an extent that is known only at run time, shape {shape}"
    if 0 in shape:
        return f"{name} has no elements, shape {shape}"
    n_bytes = math.prod(shape) * dtype.n_bytes
    if n_bytes > _MAX_TENSOR_BYTES:
        return f"{name} of shape {shape} takes {n_bytes} bytes, at most {_MAX_TENSOR_BYTES} can be"
    if tensor.quantization is None:
        return None
    return _quantization_problem(name, dtype, tensor.quantization)


def _quantization_problem(name: str, dtype: DType, quantization: FileQuantization) -> str | None:
    if not _is_quantized(dtype):
        return None
    if quantization.details_type != AFFINE_QUANTIZATION:
        return f"{name} is quantized in another way than by scales and zero points"
    bad = [scale for scale in quantization.scales if not _is_scale(scale)]
    # TFLite does not look at a bias's own scales where its weights have several.
    if bad and dtype is not DType.INT32:
        return f"{name} has the scale {bad[0]:g}, expected a positive number"
    low, high = _ZERO_POINT_RANGES[dtype]
    outside = [point for point in quantization.zero_points if not low <= point <= high]
    if outside:
        return f"{name} has the zero point {outside[0]}, expected {low} to {high}"
    return None


def _is_quantized(dtype: DType) -> bool:
    return dtype in _ZERO_POINT_RANGES


def _is_scale(scale: float) -> bool:
    return math.isfinite(scale) and scale > 0


def as_tensor(tensor: FileTensor, name: str) -> Tensor:
    """The graph's tensor for a file's tensor that has no problem."""
    dtype = DTYPES[tensor.type]
    quantization = None
    found = tensor.quantization
    if found is not None and _is_quantized(dtype) and all(map(_is_scale, found.scales)):
        quantization = Quantization(
            scales=found.scales,
            zero_points=found.zero_points,
            axis=found.axis if len(found.scales) > 1 else 0,
        )
    return Tensor(
        name=name, shape=tensor.shape, dtype=dtype, quantization=quantization, data=tensor.data
    )


def placeholder(tensor: FileTensor, name: str) -> Tensor:
    """Stands in the graph for a tensor with a problem, while what does not use it is checked."""
    has_value = tensor.data is not None or tensor.is_variable or tensor.is_external
    return Tensor(name=name, shape=(0,), dtype=DType.BOOL, data=b"" if has_value else None)


def unique_names(tensors: Sequence[FileTensor]) -> tuple[str, ...]:
    """A name for each tensor: the file's, or `tensor_3`, with a number where it recurs."""
    taken = {tensor.name for tensor in tensors}
    seen: set[str] = set()
    counters: dict[str, int] = {}
    names = []
    for tensor in tensors:
        base = tensor.name or f"tensor_{tensor.index}"
        name = base
        while name in seen or (name != tensor.name and name in taken):
            counters[base] = counters.get(base, 1) + 1
            name = f"{base}_{counters[base]}"
        seen.add(name)
        names.append(name)
    return tuple(names)
