"""AVERAGE_POOL_2D: the mean of the pixels inside the image.

Integers are rounded with halves away from zero. Floats are added up in row-major order, as in
TFLite's reference and in the C kernel, so that all three give the same bits.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Padding, Pool2DAttributes
from anvil.core.tensor import DType
from anvil.ops.arrays import numpy_dtype
from anvil.ops.checks import attributes_of, output_tensor
from anvil.ops.definition import OperatorDefinition
from anvil.ops.float_activation import clamp_float
from anvil.ops.pooling import (
    pool_axes,
    pool_calls,
    pool_output_range,
    pool_problems,
    pool_shapes,
)
from anvil.ops.windows import padded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array


def _check(op: Op, graph: Graph) -> list[str]:
    problems = pool_problems(op, graph)
    if not problems and attributes_of(op, Pool2DAttributes).padding is Padding.EXPLICIT:
        # The mean is over the pixels inside; those of a PAD count.
        return ["its padding is EXPLICIT; SAME and VALID are supported"]
    return problems


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    (images,) = inputs
    assert images is not None
    vertical, horizontal = pool_axes(op, graph)
    output = output_tensor(op, graph)
    is_float = output.dtype is DType.FLOAT32
    wide = np.float32 if is_float else np.int64
    values = padded(images.astype(wide), vertical, horizontal, value=0)
    inside = padded(np.ones_like(images, dtype=wide), vertical, horizontal, value=0)
    sums: npt.NDArray[Any] = np.zeros(pool_shapes(op, graph)[0], dtype=wide)
    counts = np.zeros_like(sums)
    for y in range(vertical.n_taps):
        for x in range(horizontal.n_taps):
            tap = (slice(None), vertical.pixels(y), horizontal.pixels(x))
            with np.errstate(over="ignore", invalid="ignore"):
                sums += values[tap]
            counts += inside[tap]
    if is_float:
        return (clamp_float(sums / counts, attributes_of(op, Pool2DAttributes).activation),)
    means = np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)
    return (np.clip(means, *pool_output_range(op, graph)).astype(numpy_dtype(output.dtype)),)


DEFINITION = OperatorDefinition(
    kind="AVERAGE_POOL_2D",
    folder="average_pool_2d",
    is_alias=False,
    check=_check,
    infer_shapes=pool_shapes,
    reference=_reference,
    lower=partial(pool_calls, folder="average_pool_2d"),
)
