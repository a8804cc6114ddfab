"""Cases for operators with weights on int16 and on floats; those on int8 have files of their own.

A flavour says which types take part:

    int16        int16 activations, int8 weights, an int64 bias
    int16_32     the same with an int32 bias, declared by the operator
    float32      all float32
    float16      float32 activations; weights and bias are float16 constants, expanded by a
                 DEQUANTIZE each, as the converter writes them
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import (
    Activation,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
)
from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Tensor
from tests.support.kernel_harness import Case
from tests.support.tflite_builder import activation, constant, random_array
from tests.support.window_cases import Windows, random_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Attributes = Conv2DAttributes | DepthwiseConv2DAttributes | FullyConnectedAttributes

INTEGER_FLAVOURS = ("int16", "int16_32")
FLOAT_FLAVOURS = ("float32", "float16")
_SCALES = (0.003, 0.0005)  # of input and output
_BIAS_LIMIT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a case computes with, where random numbers would not do; None for random ones."""

    values: Array | None = None
    weights: Array | None = None
    bias: Array | None = None
    has_bias: bool = True
    scales: tuple[float, float] = _SCALES  # of input and output, where they are quantized
    weight_scales: Sequence[float] | None = None  # None: one per output channel


RANDOM = Numbers()


def conv_case(
    flavour: str,
    windows: Windows,
    channels: tuple[int, int, int],
    *,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    numbers: Numbers = RANDOM,
    label: str = "",
) -> Case:
    """CONV_2D with channels of (input, filter, output)."""
    n_inputs, n_filter, n_outputs = channels
    return _case(
        "CONV_2D",
        flavour,
        f"conv{label}_{windows.name}_b{batches}_c{n_inputs}_{n_filter}_{n_outputs}_{fused.value}",
        input_shape=(batches, *windows.image, n_inputs),
        weights_shape=(n_outputs, *windows.filter, n_filter),
        output_shape=(batches, *windows.output, n_outputs),
        attributes=_windowed(Conv2DAttributes, windows, fused),
        numbers=numbers,
    )


def depthwise_case(
    flavour: str,
    windows: Windows,
    channels: tuple[int, int],
    *,
    batches: int = 1,
    fused: Activation = Activation.NONE,
    numbers: Numbers = RANDOM,
    label: str = "",
) -> Case:
    """DEPTHWISE_CONV_2D with channels of (input, depth multiplier)."""
    n_inputs, multiplier = channels
    return _case(
        "DEPTHWISE_CONV_2D",
        flavour,
        f"depthwise{label}_{windows.name}_b{batches}_c{n_inputs}_m{multiplier}_{fused.value}",
        input_shape=(batches, *windows.image, n_inputs),
        weights_shape=(1, *windows.filter, n_inputs * multiplier),
        output_shape=(batches, *windows.output, n_inputs * multiplier),
        attributes=_windowed(
            DepthwiseConv2DAttributes, windows, fused, depth_multiplier=multiplier
        ),
        numbers=numbers,
    )


def fully_connected_case(
    flavour: str,
    shape: tuple[int, ...],
    weights: tuple[int, int],
    *,
    keep_num_dims: bool = False,
    fused: Activation = Activation.NONE,
    numbers: Numbers = RANDOM,
    label: str = "",
) -> Case:
    """FULLY_CONNECTED with weights of (units, depth)."""
    units, depth = weights
    batches = int(np.prod(shape)) // depth
    return _case(
        "FULLY_CONNECTED",
        flavour,
        f"fc{label}_{'x'.join(map(str, shape))}_u{units}_d{depth}_{keep_num_dims}_{fused.value}",
        input_shape=shape,
        weights_shape=weights,
        output_shape=(*shape[:-1], units) if keep_num_dims else (batches, units),
        attributes=FullyConnectedAttributes(activation=fused, keep_num_dims=keep_num_dims),
        numbers=numbers,
    )


def _windowed(
    kind: type[Any], windows: Windows, fused: Activation, **more: int
) -> Conv2DAttributes | DepthwiseConv2DAttributes:
    attributes: Conv2DAttributes | DepthwiseConv2DAttributes = kind(
        padding=windows.padding,
        stride_h=windows.stride[0],
        stride_w=windows.stride[1],
        dilation_h=windows.dilation[0],
        dilation_w=windows.dilation[1],
        activation=fused,
        **more,
    )
    return attributes


def _case(
    kind: str,
    flavour: str,
    name: str,
    *,
    input_shape: Sequence[int],
    weights_shape: Sequence[int],
    output_shape: Sequence[int],
    attributes: Attributes,
    numbers: Numbers,
) -> Case:
    name = f"{flavour}_{name}"
    rng = random_for(name)
    is_float = flavour in FLOAT_FLAVOURS
    channel_axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    n_channels = weights_shape[channel_axis]
    dtype = DType.FLOAT32 if is_float else DType.INT16
    in_scale, out_scale = (None, None) if is_float else numbers.scales
    values = activation("input", input_shape, dtype=dtype, scale=in_scale)
    output = activation("output", output_shape, dtype=dtype, scale=out_scale)
    if is_float:
        constants = _float_constants(rng, flavour, weights_shape, n_channels, numbers)
    else:
        scales = numbers.weight_scales or _weight_scales(rng, n_channels, weights_shape)
        constants = _integer_constants(
            rng,
            flavour,
            weights_shape=weights_shape,
            channel_axis=channel_axis,
            scales=scales,
            numbers=numbers,
        )
        if flavour == "int16_32" and not isinstance(attributes, DepthwiseConv2DAttributes):
            attributes = replace(attributes, bias_dtype=DType.INT32)
    return Case(
        name=name,
        graph=_graph(kind, values, constants, output, attributes),
        inputs=(random_array(values, rng) if numbers.values is None else numbers.values,),
    )


def _float_constants(
    rng: np.random.Generator,
    flavour: str,
    weights_shape: Sequence[int],
    n_channels: int,
    numbers: Numbers,
) -> list[Tensor]:
    stored = np.dtype(flavour)
    weights = rng.normal(size=weights_shape) if numbers.weights is None else numbers.weights
    bias = rng.normal(size=n_channels) if numbers.bias is None else numbers.bias
    arrays = [("weights", weights), ("bias", bias)][: 1 + numbers.has_bias]
    return [constant(name, np.asarray(array).astype(stored)) for name, array in arrays]


def _integer_constants(
    rng: np.random.Generator,
    flavour: str,
    *,
    weights_shape: Sequence[int],
    channel_axis: int,
    scales: Sequence[float],
    numbers: Numbers,
) -> list[Tensor]:
    # -128 occurs in files of other converters, though TFLite's own avoids it.
    weights = (
        rng.integers(-128, 127, weights_shape, dtype=np.int8, endpoint=True)
        if numbers.weights is None
        else numbers.weights.astype(np.int8)
    )
    n_channels = weights_shape[channel_axis]
    bias = (
        rng.integers(-_BIAS_LIMIT, _BIAS_LIMIT, n_channels)
        if numbers.bias is None
        else numbers.bias
    )
    axis = channel_axis if len(scales) > 1 else 0
    tensors = [constant("weights", weights, scales=scales, axis=axis)]
    if numbers.has_bias:
        dtype = np.int32 if flavour == "int16_32" else np.int64
        # TFLite compares these scales with those of the input and the weights.
        bias_scales = [numbers.scales[0] * scale for scale in scales]
        tensors.append(constant("bias", bias.astype(dtype), scales=bias_scales))
    return tensors


def _weight_scales(
    rng: np.random.Generator, n_channels: int, weights_shape: Sequence[int]
) -> tuple[float, ...]:
    # Outputs then fill int16 without all of them saturating.
    n_products = int(np.prod(weights_shape)) / n_channels
    return tuple(float(s) for s in rng.uniform(0.0005, 0.004, n_channels) / n_products**0.5)


def _graph(
    kind: str, values: Tensor, constants: list[Tensor], output: Tensor, attributes: Attributes
) -> Graph:
    tensors = [values, *constants]
    inputs = list(range(len(tensors)))
    ops: list[Op] = []
    for index, tensor in enumerate(constants, start=1):
        if tensor.dtype is DType.FLOAT16:
            inputs[index] = len(tensors)
            ops.append(
                Op(index=len(ops), kind="DEQUANTIZE", inputs=(index,), outputs=(inputs[index],))
            )
            tensors.append(
                Tensor(name=f"{tensor.name}_expanded", shape=tensor.shape, dtype=DType.FLOAT32)
            )
    if kind == "FULLY_CONNECTED" and len(inputs) == 2:
        inputs.append(ABSENT)
    ops.append(
        Op(
            index=len(ops),
            kind=kind,
            inputs=tuple(inputs),
            outputs=(len(tensors),),
            attributes=attributes,
        )
    )
    return Graph(tensors=(*tensors, output), ops=tuple(ops), inputs=(0,), outputs=(len(tensors),))
