"""Cases whose weights meet the conditions of kernels with two weights in one halfword."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Activation, Padding
from anvil.ops.arrays import array_of
from tests.support.kernel_harness import Case
from tests.support.window_cases import Windows, convolution_case

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[Any]


def with_constants(case: Case, change: Callable[[Array, Array], None]) -> Case:
    """The same case after `change(weights, bias)`, which edits them in place."""
    tensors = list(case.graph.tensors)
    weights, bias = (array_of(tensors[index]).copy() for index in case.op.inputs[1:3])
    change(weights, bias)
    for index, values in zip(case.op.inputs[1:3], (weights, bias), strict=True):
        tensors[index] = replace(tensors[index], data=values.tobytes())
    return replace(case, graph=replace(case.graph, tensors=tuple(tensors)))


def pairable(case: Case) -> Case:
    """The same case without a weight of -128, as TFLite's converter writes it."""

    def raise_the_least(weights: Array, _: Array) -> None:
        np.maximum(weights, -127, out=weights)

    return with_constants(case, raise_the_least)


def dense_case(
    windows: Windows,
    channels: tuple[int, int],
    *,
    zero_points: tuple[int, int] = (-5, -128),
    batches: int = 1,
    weight_scales: tuple[float, ...] | None = None,
    label: str = "",
) -> Case:
    """CONV_2D with channels of (input, output)."""
    n_inputs, n_outputs = channels
    return pairable(
        convolution_case(
            windows,
            input_channels=n_inputs,
            filter_channels=n_inputs,
            output_channels=n_outputs,
            zero_points=zero_points,
            batches=batches,
            fused=Activation.NONE,
            weight_scales=weight_scales,
            label=label,
        )
    )


def pointwise(n_pixels: int) -> Windows:
    """1x1 over one row."""
    return Windows(image=(1, n_pixels), filter=(1, 1), padding=Padding.VALID)
