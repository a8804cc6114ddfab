"""AVERAGE_POOL_2D on int8: the mean of the pixels inside the image, rounded half away from zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

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

    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.ops.definition import Array


def _reference(op: Op, graph: Graph, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    (images,) = inputs
    assert images is not None
    vertical, horizontal = pool_axes(op, graph)
    values = padded(images.astype(np.int64), vertical, horizontal, value=0)
    inside = padded(np.ones_like(images, dtype=np.int64), vertical, horizontal, value=0)
    sums: npt.NDArray[Any] = np.zeros(pool_shapes(op, graph)[0], dtype=np.int64)
    counts = np.zeros_like(sums)
    for y in range(vertical.n_taps):
        for x in range(horizontal.n_taps):
            tap = (slice(None), vertical.pixels(y), horizontal.pixels(x))
            sums += values[tap]
            counts += inside[tap]
    means = np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)
    return (np.clip(means, *pool_output_range(op, graph)).astype(np.int8),)


DEFINITION = OperatorDefinition(
    kind="AVERAGE_POOL_2D",
    folder="average_pool_2d",
    is_alias=False,
    check=pool_problems,
    infer_shapes=pool_shapes,
    reference=_reference,
    lower=partial(pool_calls, folder="average_pool_2d"),
)
