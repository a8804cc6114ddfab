"""RELU6 of a tensor: x between 0 and 6, rescaled to the output's quantization."""

from __future__ import annotations

from anvil.core.attributes import Activation
from anvil.ops.rectifier import rectifier

DEFINITION = rectifier("RELU6", Activation.RELU6)
