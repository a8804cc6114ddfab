"""Between core values, which know bytes, and NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.plan import Constant
from anvil.core.tensor import DType

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The little-endian NumPy dtype of an element type."""
    return np.dtype(dtype.value).newbyteorder("<")


def array_of(tensor: Tensor) -> npt.NDArray[Any]:
    """The value of a constant tensor, in its shape; read-only. ValueError where it is computed."""
    if tensor.data is None:
        msg = f"tensor {tensor.name!r} is computed at run time and has no value yet"
        raise ValueError(msg)
    return np.frombuffer(tensor.data, dtype=numpy_dtype(tensor.dtype)).reshape(tensor.shape)


def constant_array(constant: Constant) -> npt.NDArray[Any]:
    """The values of a kernel call's constant."""
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)


def constant_of(name: str, array: npt.NDArray[Any]) -> Constant:
    """`array` as a constant of a kernel call, row-major and little-endian."""
    dtype = DType(array.dtype.name)
    return Constant(
        name=name,
        dtype=dtype,
        shape=array.shape,
        data=np.ascontiguousarray(array, dtype=numpy_dtype(dtype)).tobytes(),
    )
