"""The attributes of operators, one frozen dataclass per kind that has any.

PAD, MEAN, RESHAPE and the like read paddings, axes and shapes from constant inputs, as in
TFLite, and have no attributes for them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from anvil.core.tensor import DType


class Padding(enum.StrEnum):
    """How a window meets the border of an image."""

    SAME = "SAME"
    VALID = "VALID"
    EXPLICIT = "EXPLICIT"  # in no file: a PAD that the planner folded into the windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Pixels around an image, for EXPLICIT padding. A kernel leaves them out, as with SAME."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        if min(self.top, self.bottom, self.left, self.right) < 0:
            msg = f"a margin is at least 0, found {self}"
            raise ValueError(msg)


class Activation(enum.StrEnum):
    """A fused activation."""

    NONE = "NONE"
    RELU = "RELU"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    RELU6 = "RELU6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2DAttributes:
    """CONV_2D."""

    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    activation: Activation
    bias_dtype: DType | None = None  # declared for int16 activations; None: int64
    margins: Margins = Margins()  # of EXPLICIT padding alone


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2DAttributes:
    """DEPTHWISE_CONV_2D."""

    padding: Padding
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    depth_multiplier: int  # as the file says; 0 means output channels / input channels
    activation: Activation
    margins: Margins = Margins()  # of EXPLICIT padding alone


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnectedAttributes:
    """FULLY_CONNECTED."""

    activation: Activation
    keep_num_dims: bool
    bias_dtype: DType | None = None  # declared for int16 activations; None: int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool2DAttributes:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""

    padding: Padding
    stride_h: int
    stride_w: int
    filter_h: int
    filter_w: int
    activation: Activation
    margins: Margins = Margins()  # of EXPLICIT padding alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ArithmeticAttributes:
    """ADD and MUL."""

    activation: Activation
    # ADD on int16: scales that are powers of two are rescaled by shifts, TFLite's older way.
    pot_scale_int16: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatenationAttributes:
    """CONCATENATION."""

    axis: int  # may be negative
    activation: Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanAttributes:
    """MEAN."""

    keep_dims: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxAttributes:
    """SOFTMAX, over the last axis."""

    beta: float
