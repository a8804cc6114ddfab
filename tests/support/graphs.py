"""Small int8 graphs: one for each operator, and a network of several.

The numbers differ wherever two could be mixed up: heights from widths, strides from
filters, scales from each other.
"""

from __future__ import annotations

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
from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Tensor
from tests.support.tflite_builder import activation, constant, one_op_graph

_PROBABILITY_SCALE = 1 / 256


def one_op_graphs() -> dict[str, Graph]:
    """A supported use of each operator, by kind."""
    rng = np.random.default_rng(2)
    image = activation("image", (1, 11, 14, 2), scale=0.5, zero_point=-3)
    row = activation("row", (2, 5), scale=0.25, zero_point=4)
    return {
        "CONV_2D": one_op_graph(
            "CONV_2D",
            [image, *_filters(rng, (3, 2, 4, 2), axis=0, input_scale=0.5)],
            [activation("result", (1, 5, 1, 3), scale=0.125, zero_point=7)],
            Conv2DAttributes(
                padding=Padding.VALID,
                stride_h=2,
                stride_w=4,
                dilation_h=1,
                dilation_w=4,
                activation=Activation.RELU,
            ),
        ),
        "DEPTHWISE_CONV_2D": one_op_graph(
            "DEPTHWISE_CONV_2D",
            [image, *_filters(rng, (1, 3, 2, 4), axis=3, input_scale=0.5)],
            [activation("result", (1, 6, 5, 4), scale=0.75, zero_point=-9)],
            DepthwiseConv2DAttributes(
                padding=Padding.SAME,
                stride_h=2,
                stride_w=3,
                dilation_h=1,
                dilation_w=1,
                depth_multiplier=2,
                activation=Activation.RELU6,
            ),
        ),
        "FULLY_CONNECTED": one_op_graph(
            "FULLY_CONNECTED",
            [
                row,
                constant("weights", _int8(rng, (3, 5)), scales=[0.02]),
                constant("bias", np.array([-9, 0, 77], np.int32), scales=[0.25 * 0.02]),
            ],
            [activation("result", (2, 3), scale=0.5, zero_point=1)],
            FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False),
        ),
        "AVERAGE_POOL_2D": one_op_graph(
            "AVERAGE_POOL_2D",
            [image],
            [activation("result", (1, 5, 6, 2), scale=0.5, zero_point=-3)],
            Pool2DAttributes(
                padding=Padding.VALID,
                stride_h=2,
                stride_w=2,
                filter_h=3,
                filter_w=4,
                activation=Activation.NONE,
            ),
        ),
        "MAX_POOL_2D": one_op_graph(
            "MAX_POOL_2D",
            [image],
            [activation("result", (1, 4, 7, 2), scale=0.5, zero_point=-3)],
            Pool2DAttributes(
                padding=Padding.SAME,
                stride_h=3,
                stride_w=2,
                filter_h=2,
                filter_w=5,
                activation=Activation.RELU,
            ),
        ),
        "ADD": one_op_graph(
            "ADD",
            [row, activation("other", (2, 5), scale=0.3, zero_point=-1)],
            [activation("result", (2, 5), scale=0.6, zero_point=2)],
            ArithmeticAttributes(activation=Activation.RELU),
        ),
        "MUL": one_op_graph(
            "MUL",
            [row, constant("factor", _int8(rng, (1, 5)), scales=[0.01], zero_points=[3])],
            [activation("result", (2, 5), scale=0.6, zero_point=2)],
            ArithmeticAttributes(activation=Activation.NONE),
        ),
        "PAD": one_op_graph(
            "PAD",
            [image, constant("paddings", np.array([[0, 0], [1, 2], [0, 3], [0, 0]], np.int32))],
            [activation("result", (1, 14, 17, 2), scale=0.5, zero_point=-3)],
        ),
        "CONCATENATION": one_op_graph(
            "CONCATENATION",
            [row, activation("other", (2, 4), scale=0.25, zero_point=4)],
            [activation("result", (2, 9), scale=0.25, zero_point=4)],
            ConcatenationAttributes(axis=-1, activation=Activation.NONE),
        ),
        "MEAN": one_op_graph(
            "MEAN",
            [image, constant("axes", np.array([1, 2], np.int32))],
            [activation("result", (1, 2), scale=0.2, zero_point=-8)],
            MeanAttributes(keep_dims=False),
        ),
        "RELU": one_op_graph(
            "RELU", [row], [activation("result", (2, 5), scale=0.125, zero_point=-128)]
        ),
        "RELU6": one_op_graph(
            "RELU6", [row], [activation("result", (2, 5), scale=0.0234375, zero_point=-128)]
        ),
        "LOGISTIC": one_op_graph(
            "LOGISTIC",
            [row],
            [activation("result", (2, 5), scale=_PROBABILITY_SCALE, zero_point=-128)],
        ),
        "QUANTIZE": one_op_graph(
            "QUANTIZE",
            [activation("real", (2, 5), dtype=DType.FLOAT32, scale=None)],
            [activation("result", (2, 5), scale=0.125, zero_point=11)],
        ),
        "DEQUANTIZE": one_op_graph(
            "DEQUANTIZE",
            [row],
            [activation("real", (2, 5), dtype=DType.FLOAT32, scale=None)],
        ),
        "RESHAPE": one_op_graph(
            "RESHAPE",
            [row, constant("shape", np.array([5, -1], np.int32))],
            [activation("result", (5, 2), scale=0.25, zero_point=4)],
        ),
        "SOFTMAX": one_op_graph(
            "SOFTMAX",
            [row],
            [activation("result", (2, 5), scale=_PROBABILITY_SCALE, zero_point=-128)],
            SoftmaxAttributes(beta=1.0),
        ),
    }


def small_network() -> Graph:
    """Convolution, pooling, reshape, fully connected and softmax, with float32 at both ends."""
    rng = np.random.default_rng(3)
    tensors = (
        activation("image", (1, 6, 6, 1), dtype=DType.FLOAT32, scale=None),
        activation("quantized", (1, 6, 6, 1), scale=0.5, zero_point=-1),
        *_filters(rng, (4, 3, 3, 1), axis=0, input_scale=0.5),
        activation("features", (1, 6, 6, 4), scale=0.3, zero_point=-128),
        activation("pooled", (1, 3, 3, 4), scale=0.3, zero_point=-128),
        constant("flat_shape", np.array([1, 36], np.int32)),
        activation("flat", (1, 36), scale=0.3, zero_point=-128),
        constant("fc/weights", _int8(rng, (3, 36)), scales=[0.02]),
        activation("logits", (1, 3), scale=0.4, zero_point=5),
        activation("probabilities", (1, 3), scale=_PROBABILITY_SCALE, zero_point=-128),
        activation("real", (1, 3), dtype=DType.FLOAT32, scale=None),
    )
    steps = (
        ("QUANTIZE", (0,), 1, None),
        (
            "CONV_2D",
            (1, 2, 3),
            4,
            Conv2DAttributes(
                padding=Padding.SAME,
                stride_h=1,
                stride_w=1,
                dilation_h=1,
                dilation_w=1,
                activation=Activation.RELU,
            ),
        ),
        (
            "MAX_POOL_2D",
            (4,),
            5,
            Pool2DAttributes(
                padding=Padding.VALID,
                stride_h=2,
                stride_w=2,
                filter_h=2,
                filter_w=2,
                activation=Activation.NONE,
            ),
        ),
        ("RESHAPE", (5, 6), 7, None),
        (
            "FULLY_CONNECTED",
            (7, 8, ABSENT),
            9,
            FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False),
        ),
        ("SOFTMAX", (9,), 10, SoftmaxAttributes(beta=1.0)),
        ("DEQUANTIZE", (10,), 11, None),
    )
    return Graph(
        tensors=tensors,
        ops=tuple(
            Op(index=i, kind=kind, inputs=inputs, outputs=(output,), attributes=attributes)
            for i, (kind, inputs, output, attributes) in enumerate(steps)
        ),
        inputs=(0,),
        outputs=(11, 10),
    )


def _int8(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return rng.integers(-127, 127, shape, dtype=np.int8, endpoint=True)


def _filters(
    rng: np.random.Generator, shape: tuple[int, ...], *, axis: int, input_scale: float
) -> tuple[Tensor, Tensor]:
    """Weights with a scale for each output channel, and their bias."""
    n_channels = shape[axis]
    scales = [0.01 * (channel + 1) for channel in range(n_channels)]
    bias = rng.integers(-500, 500, n_channels, dtype=np.int32)
    return (
        constant("weights", _int8(rng, shape), scales=scales, axis=axis),
        constant("bias", bias, scales=[input_scale * scale for scale in scales]),
    )
