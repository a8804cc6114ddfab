"""MAX_POOL_2D on int8: the greatest of the pixels inside the image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

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

_LEAST = -128  # of int8: it never wins against a pixel


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    (images,) = inputs
    assert images is not None
    vertical, horizontal = pool_axes(op, graph)
    values = padded(images.astype(np.int8), vertical, horizontal, value=_LEAST)
    greatest = np.full(pool_shapes(op, graph)[0], _LEAST, dtype=np.int8)
    for y in range(vertical.n_taps):
        for x in range(horizontal.n_taps):
            tap = values[:, vertical.pixels(y), horizontal.pixels(x)]
            greatest = np.maximum(greatest, tap)
    return (np.clip(greatest, *pool_output_range(op, graph)).astype(np.int8),)


DEFINITION = OperatorDefinition(
    kind="MAX_POOL_2D",
    folder="max_pool_2d",
    is_alias=False,
    check=pool_problems,
    infer_shapes=pool_shapes,
    reference=_reference,
    lower=partial(pool_calls, folder="max_pool_2d"),
)
