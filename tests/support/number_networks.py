"""One small network in each number type that models come in.

convolution - depthwise - pooling - addition and multiplication of constants - padding -
concatenation - mean - fully connected - softmax, on an image of 9 x 8 x 3. float16 stores its
constants as halves, each with a DEQUANTIZE; int16x8 has int16 activations and int8 weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import (
    Activation,
    ArithmeticAttributes,
    ConcatenationAttributes,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
    MeanAttributes,
    Padding,
    Pool2DAttributes,
    SoftmaxAttributes,
)
from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType
from tests.support.tflite_builder import activation, constant

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    from anvil.core.tensor import Tensor

NUMBER_TYPES = ("float32", "float16", "int16x8")
_SCALE = 2e-4  # of int16 activations: from -6.5 to 6.5
_WEIGHT_SCALE = 0.01


class _Builder:
    def __init__(self, number_type: str) -> None:
        self.rng = np.random.default_rng(11)
        self.number_type = number_type
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []

    @property
    def is_integer(self) -> bool:
        return self.number_type == "int16x8"

    def add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def value(self, shape: Sequence[int], scale: float = _SCALE) -> int:
        name = f"value {len(self.tensors)}"
        if self.is_integer:
            return self.add(activation(name, shape, dtype=DType.INT16, scale=scale))
        return self.add(activation(name, shape, dtype=DType.FLOAT32, scale=None))

    def floats(self, values: npt.NDArray[Any]) -> int:
        """A float32 constant, or a half and its DEQUANTIZE."""
        name = f"constant {len(self.tensors)}"
        if self.number_type == "float32":
            return self.add(constant(name, values.astype(np.float32)))
        halves = self.add(constant(name, values.astype(np.float16)))
        return self.op("DEQUANTIZE", [halves], values.shape)

    def weights(self, shape: Sequence[int], axis: int) -> tuple[int, int]:
        """Weights with a scale per channel along `axis`, and a bias."""
        n_channels = shape[axis]
        values = self.rng.uniform(-1, 1, shape)
        bias = self.rng.uniform(-0.5, 0.5, n_channels)
        if not self.is_integer:
            return self.floats(values), self.floats(bias)
        scales = self.rng.uniform(0.5, 1.0, n_channels) * _WEIGHT_SCALE
        name = f"weights {len(self.tensors)}"
        kept = self.add(
            constant(name, np.rint(values * 127).astype(np.int8), scales=scales.tolist(), axis=axis)
        )
        sums = np.rint(bias / (scales * _SCALE)).astype(np.int64)
        return kept, self.add(constant(f"{name}/bias", sums, scales=(scales * _SCALE).tolist()))

    def values_like(self, shape: Sequence[int]) -> int:
        """A constant operand of ADD or MUL."""
        values = self.rng.uniform(-1, 1, shape)
        if not self.is_integer:
            return self.floats(values)
        steps = np.rint(values / _SCALE).astype(np.int16)
        return self.add(constant(f"operand {len(self.tensors)}", steps, scales=[_SCALE]))

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        attributes: Hashable = None,
        *,
        scale: float = _SCALE,
    ) -> int:
        output = self.value(shape, scale)
        self.ops.append(
            Op(
                index=len(self.ops),
                kind=kind,
                inputs=tuple(inputs),
                outputs=(output,),
                attributes=attributes,
            )
        )
        return output


def number_network(number_type: str) -> Graph:
    """The network in one of NUMBER_TYPES; 1 x 9 x 8 x 3 in, 1 x 5 probabilities out."""
    net = _Builder(number_type)
    plain = ArithmeticAttributes(activation=Activation.NONE)
    image = net.value((1, 9, 8, 3))
    convolved = net.op(
        "CONV_2D",
        [image, *net.weights((6, 3, 3, 3), 0)],
        (1, 9, 8, 6),
        Conv2DAttributes(
            padding=Padding.SAME,
            stride_h=1,
            stride_w=1,
            dilation_h=1,
            dilation_w=1,
            activation=Activation.RELU,
        ),
    )
    depthwise = net.op(
        "DEPTHWISE_CONV_2D",
        [convolved, *net.weights((1, 3, 3, 6), 3)],
        (1, 5, 4, 6),
        DepthwiseConv2DAttributes(
            padding=Padding.SAME,
            stride_h=2,
            stride_w=2,
            dilation_h=1,
            dilation_w=1,
            depth_multiplier=1,
            activation=Activation.NONE,
        ),
    )
    pool = Pool2DAttributes(
        padding=Padding.SAME,
        stride_h=1,
        stride_w=1,
        filter_h=3,
        filter_w=2,
        activation=Activation.NONE,
    )
    greatest = net.op("MAX_POOL_2D", [depthwise], (1, 5, 4, 6), pool)
    average = net.op("AVERAGE_POOL_2D", [depthwise], (1, 5, 4, 6), pool)
    moved = net.op("ADD", [greatest, net.values_like((6,))], (1, 5, 4, 6), plain)
    scaled = net.op("MUL", [average, net.values_like((1, 1, 1, 6))], (1, 5, 4, 6), plain)
    joined = net.op(
        "CONCATENATION",
        [moved, scaled],
        (1, 5, 4, 12),
        ConcatenationAttributes(axis=3, activation=Activation.NONE),
    )
    paddings = net.add(constant("paddings", np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)))
    padded = net.op("PAD", [joined, paddings], (1, 6, 6, 12))
    rectified = net.op("RELU6", [padded], (1, 6, 6, 12))
    axes = net.add(constant("axes", np.array([1, 2], np.int32)))
    mean = net.op("MEAN", [rectified, axes], (1, 12), MeanAttributes(keep_dims=False))
    fully = FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False)
    scores = net.op("FULLY_CONNECTED", [mean, *net.weights((5, 12), 0)], (1, 5), fully)
    probabilities = net.op("SOFTMAX", [scores], (1, 5), SoftmaxAttributes(beta=1.0), scale=2.0**-15)
    return Graph(
        tensors=tuple(net.tensors),
        ops=tuple(net.ops),
        inputs=(image,),
        outputs=(probabilities, scores),
    )
