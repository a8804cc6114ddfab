"""Tensors: shape, element type, quantization and, for constants, their bytes."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class DType(enum.StrEnum):
    """An element type, named as NumPy names it."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "bool"

    @property
    def n_bytes(self) -> int:
        """Bytes of one element."""
        return _N_BYTES[self]

    @property
    def c_type(self) -> str:
        """The C99 type that holds one element; for a half float, an integer of its bits."""
        return _C_TYPE[self]


_N_BYTES = {
    DType.INT8: 1,
    DType.UINT8: 1,
    DType.INT16: 2,
    DType.INT32: 4,
    DType.INT64: 8,
    DType.FLOAT16: 2,
    DType.FLOAT32: 4,
    DType.FLOAT64: 8,
    DType.BOOL: 1,
}
_C_TYPE = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "int32_t",
    DType.INT64: "int64_t",
    DType.FLOAT16: "uint16_t",
    DType.FLOAT32: "float",
    DType.FLOAT64: "double",
    DType.BOOL: "bool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """Affine quantization: real = scale * (q - zero_point).

    One scale for the tensor, or one for each index along `axis`. A scale is a float32
    value held exactly in a Python float.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0  # meaningful only with several scales

    def __post_init__(self) -> None:
        if not self.scales or len(self.scales) != len(self.zero_points):
            msg = (
                "there is one zero point for each scale and at least one, "
                f"found {len(self.scales)} scales and {len(self.zero_points)} zero points"
            )
            raise ValueError(msg)
        bad = [s for s in self.scales if not (math.isfinite(s) and s > 0)]
        if bad:
            msg = f"a scale is positive and finite, found {bad[0]}"
            raise ValueError(msg)

    @property
    def is_per_channel(self) -> bool:
        """Whether each index along `axis` has a scale of its own."""
        return len(self.scales) > 1

    @property
    def scale(self) -> float:
        """The one scale of the tensor."""
        if self.is_per_channel:
            msg = f"expected one scale, found {len(self.scales)}"
            raise ValueError(msg)
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The one zero point of the tensor."""
        if self.is_per_channel:
            msg = f"expected one zero point, found {len(self.zero_points)}"
            raise ValueError(msg)
        return self.zero_points[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a graph; row-major (NHWC for images), little-endian when constant."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: bytes | None = None  # the bytes of a constant; None when computed at run time

    def __post_init__(self) -> None:
        if any(extent < 0 for extent in self.shape):
            msg = f"an extent is at least 0, found shape {self.shape} of {self.name!r}"
            raise ValueError(msg)
        if self.data is not None and len(self.data) != self.n_bytes:
            msg = (
                f"constant {self.name!r} of shape {self.shape} and type {self.dtype.value} "
                f"has {self.n_bytes} bytes, found {len(self.data)}"
            )
            raise ValueError(msg)

    @property
    def is_constant(self) -> bool:
        """Whether the value is known at build time."""
        return self.data is not None

    @property
    def n_elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return self.n_elements * self.dtype.n_bytes
