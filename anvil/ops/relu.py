"""RELU of a tensor: max(x, 0), rescaled to the output's quantization."""

from __future__ import annotations

from anvil.core.attributes import Activation
from anvil.ops.rectifier import rectifier

DEFINITION = rectifier("RELU", Activation.RELU)
