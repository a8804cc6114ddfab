"""Random samples, where a project has no data: the same bytes on every machine."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.quantize.dataset import Array, Dataset, sample_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.tensor import Tensor

N_SAMPLES = 32
RANDOM_SHA256 = "random"  # stands for the digest of data that no file holds
DEFAULT_RANGE = (-1.0, 1.0)


def random_dataset(
    ports: Sequence[Tensor],
    n_samples: int = N_SAMPLES,
    ranges: Sequence[tuple[float, float] | None] = (),
) -> Dataset:
    """`n_samples` samples, uniform over what the inputs can hold.

    A quantized input's range is its type's, as real values; a real one's is that of `ranges`
    where it has one for this input, else [-1, 1). Integers
    without a scale are 0 and 1, which every table of embeddings has. From SHAKE-256, not from
    a library's generator.
    """
    known = (*ranges, *(None for _ in ports[len(ranges) :]))
    inputs = tuple(
        _input(port, index, n_samples, limits or DEFAULT_RANGE)
        for index, (port, limits) in enumerate(zip(ports, known, strict=True))
    )
    return Dataset(inputs=inputs, labels=None, sha256=RANDOM_SHA256, file="random inputs")


def _input(port: Tensor, index: int, n_samples: int, limits: tuple[float, float]) -> Array:
    shape = (n_samples, *sample_shape(port))
    n_elements = math.prod(shape)
    stream = hashlib.shake_256(f"anvil random samples, input {index}".encode())
    numbers = np.frombuffer(stream.digest(4 * n_elements), "<u4").reshape(shape)
    is_real = port.dtype.value.startswith("float")
    if not is_real and port.quantization is None:
        return (numbers & 1).astype(np.dtype(port.dtype.value))
    low, high = limits
    if not is_real and port.quantization is not None:
        info = np.iinfo(np.dtype(port.dtype.value))
        low = (info.min - port.quantization.zero_point) * port.quantization.scale
        high = (info.max - port.quantization.zero_point) * port.quantization.scale
    values: Array = (low + (high - low) * (numbers * 2.0**-32)).astype(np.float32)
    return values
