"""MAX_POOL_2D: the greatest of the pixels inside the image. A NaN is left out, as in TFLite."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.arrays import numpy_dtype
from anvil.ops.checks import output_tensor
from anvil.ops.definition import OperatorDefinition
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

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    (images,) = inputs
    assert images is not None
    vertical, horizontal = pool_axes(op, graph)
    dtype = numpy_dtype(output_tensor(op, graph).dtype)
    # It never wins against a pixel.
    least = np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min
    values = padded(images.astype(dtype), vertical, horizontal, value=least)
    greatest = np.full(pool_shapes(op, graph)[0], least, dtype=dtype)
    for y in range(vertical.n_taps):
        for x in range(horizontal.n_taps):
            tap = values[:, vertical.pixels(y), horizontal.pixels(x)]
            greatest = np.where(tap > greatest, tap, greatest)
    return (np.clip(greatest, *pool_output_range(op, graph)).astype(dtype),)


DEFINITION = OperatorDefinition(
    kind="MAX_POOL_2D",
    folder="max_pool_2d",
    is_alias=False,
    check=pool_problems,
    infer_shapes=pool_shapes,
    reference=_reference,
    lower=partial(pool_calls, folder="max_pool_2d"),
)
