"""Fused activations of float32 operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.core.attributes import Activation

if TYPE_CHECKING:
    import numpy.typing as npt

    Float32Array = npt.NDArray[np.float32]

_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {
    # TFLite clamps here too, so that an infinity becomes the largest number.
    Activation.NONE: (-_LARGEST, _LARGEST),
    Activation.RELU: (0.0, _LARGEST),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}


def float_range(activation: Activation) -> tuple[float, float]:
    """The least and the greatest value that a fused activation lets through.

    >>> float_range(Activation.RELU6)
    (0.0, 6.0)
    """
    return _RANGES[activation]


def clamp_float(values: Float32Array, activation: Activation) -> Float32Array:
    """`values` clamped by a fused activation; a NaN stays one, and -0.0 is not below 0."""
    least, greatest = (np.float32(bound) for bound in float_range(activation))
    raised = np.where(values < least, least, values)
    return np.where(raised > greatest, greatest, raised)
