"""Between real values and what a quantized model takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.tensor import DType

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor

Array = npt.NDArray[Any]


def as_taken(values: Array, port: Tensor) -> Array:
    """Samples in the type of the model's input: real values quantized with its own scale.

    As TFLite's QUANTIZE does: divided in float32, rounded half away from zero, saturated.
    Integers are indices, or quantized already, and stay as they are.
    """
    dtype = np.dtype(port.dtype.value)
    if values.dtype.kind != "f" or port.quantization is None or port.dtype.value.startswith("f"):
        return np.ascontiguousarray(values, dtype=dtype)
    steps = values / np.float32(port.quantization.scale)
    whole = np.trunc(steps)
    # The subtraction is exact, where adding a half could round up to the next integer.
    rounded = whole + np.trunc(2 * (steps - whole))
    info = np.iinfo(dtype)
    shifted = rounded.astype(np.float64) + port.quantization.zero_point
    taken: Array = np.clip(shifted, info.min, info.max).astype(dtype)
    return taken


def as_real(values: Array, port: Tensor) -> Array:
    """Outputs in float32: scale * (q - zero_point); integers without a scale stay integers."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    quantization = port.quantization
    if quantization is None or port.dtype not in {DType.INT8, DType.UINT8, DType.INT16}:
        return values
    steps = values.astype(np.float32) - np.float32(quantization.zero_point)
    real: Array = steps * np.float32(quantization.scale)
    return real
