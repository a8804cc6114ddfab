"""Networks of many operators, written step by step or drawn from a seed.

net = Network(seed=3)
x = net.input((1, 8, 8, 2))
y = net.convolution(x, n_outputs=4)
graph = net.graph(net.op("RELU", [y]), y)
"""

from __future__ import annotations

import math
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
from anvil.ops.registry import DEFINITIONS
from tests.support.tflite_builder import activation, constant

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    from anvil.core.tensor import Tensor

_PROBABILITY = (1 / 256, -128)
# They move raw values, so that their output has their input's quantization.
_MOVERS = {"AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "CONCATENATION", "RESHAPE"}
_SPREAD = 74.0  # standard deviation of integers uniform over int8
_LARGEST = 3000  # elements of a tensor that a random network goes on with
_ZERO_POINTS = (-128, 127, 0, -1, 1)


class Network:
    """A graph that grows by operators; every number not given is drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    # Tensors.

    def input(
        self,
        shape: Sequence[int],
        *,
        name: str | None = None,
        scale: float | None = None,
        zero_point: int | None = None,
    ) -> int:
        """An int8 input of the model."""
        index = self._activation(name, shape, scale, zero_point)
        self.inputs.append(index)
        return index

    def float_input(self, shape: Sequence[int], *, name: str | None = None) -> int:
        """A float32 input of the model."""
        index = self._add(
            activation(name or f"real {len(self.tensors)}", shape, dtype=DType.FLOAT32, scale=None)
        )
        self.inputs.append(index)
        return index

    def constant(
        self,
        values: npt.NDArray[Any],
        *,
        scales: Sequence[float] = (),
        zero_point: int = 0,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """A constant; int8 activations have one scale, weights one or several."""
        return self._add(
            constant(
                name or f"constant {len(self.tensors)}",
                values,
                scales=scales,
                zero_points=[zero_point] * len(scales),
                axis=axis,
            )
        )

    def int8(self, *shape: int) -> npt.NDArray[np.int8]:
        """Random values without -128, as weights have them."""
        return self.rng.integers(-127, 127, shape, dtype=np.int8, endpoint=True)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return self.tensors[tensor].shape

    def quantization(self, tensor: int) -> tuple[float, int]:
        """A tensor's scale and zero point."""
        found = self.tensors[tensor].quantization
        assert found is not None
        return found.scale, found.zero_point

    # Operators.

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        attributes: Hashable = None,
        *,
        shape: Sequence[int] | None = None,
        scale: float | None = None,
        zero_point: int | None = None,
        name: str | None = None,
    ) -> int:
        """One operator; its output's index. The shape follows from the inputs unless given."""
        number = len(self.ops)
        op = Op(index=number, kind=kind, inputs=tuple(inputs), outputs=(), attributes=attributes)
        if shape is None:
            graph = Graph(tensors=tuple(self.tensors), ops=(), inputs=(), outputs=())
            (shape,) = DEFINITIONS[kind].infer_shapes(op, graph)
        if kind == "DEQUANTIZE":
            output = self._add(
                activation(
                    name or f"real {len(self.tensors)}", shape, dtype=DType.FLOAT32, scale=None
                )
            )
        else:
            if kind in _MOVERS:
                scale, zero_point = self.quantization(inputs[0])
            elif kind in {"SOFTMAX", "LOGISTIC"}:
                scale, zero_point = _PROBABILITY
            output = self._activation(name, shape, scale, zero_point)
        self.ops.append(
            Op(
                index=number,
                kind=kind,
                inputs=tuple(inputs),
                outputs=(output,),
                attributes=attributes,
            )
        )
        return output

    def reshape(self, tensor: int, shape: Sequence[int], *, name: str | None = None) -> int:
        """RESHAPE."""
        wanted = self.constant(np.array(shape, np.int32))
        return self.op("RESHAPE", [tensor, wanted], shape=shape, name=name)

    def quantize(self, tensor: int, scale: float, zero_point: int, **options: Any) -> int:  # noqa: ANN401
        """QUANTIZE, from float32 or from int8."""
        return self.op("QUANTIZE", [tensor], scale=scale, zero_point=zero_point, **options)

    def arithmetic(
        self, kind: str, first: int, second: int, fused: Activation = Activation.NONE
    ) -> int:
        """ADD or MUL, with an output scale that most sums or products fit."""
        scales = [self.quantization(tensor)[0] for tensor in (first, second)]
        scale = 1.2 * sum(scales) if kind == "ADD" else 100 * math.prod(scales)
        return self.op(kind, [first, second], ArithmeticAttributes(activation=fused), scale=scale)

    def convolution(
        self,
        image: int,
        *,
        n_outputs: int,
        filter_size: tuple[int, int] = (3, 3),
        attributes: Conv2DAttributes | None = None,
        n_groups: int = 1,
        per_channel: bool = True,
    ) -> int:
        """CONV_2D."""
        n_channels = self.shape(image)[3] // n_groups
        weights = self.int8(n_outputs, *filter_size, n_channels)
        return self._weighted(
            "CONV_2D",
            image,
            weights,
            attributes or convolution_attributes(),
            axis=0,
            depth=math.prod(filter_size) * n_channels,
            per_channel=per_channel,
            has_bias=True,  # TFLite refuses int8 without
        )

    def depthwise(
        self,
        image: int,
        *,
        multiplier: int = 1,
        filter_size: tuple[int, int] = (3, 3),
        attributes: DepthwiseConv2DAttributes | None = None,
        per_channel: bool = True,
        has_bias: bool = True,
    ) -> int:
        """DEPTHWISE_CONV_2D."""
        weights = self.int8(1, *filter_size, self.shape(image)[3] * multiplier)
        return self._weighted(
            "DEPTHWISE_CONV_2D",
            image,
            weights,
            attributes or depthwise_attributes(multiplier),
            axis=3,
            depth=math.prod(filter_size),
            per_channel=per_channel,
            has_bias=has_bias,
        )

    def fully_connected(
        self,
        tensor: int,
        *,
        n_outputs: int,
        keep_num_dims: bool = False,
        fused: Activation = Activation.NONE,
        per_channel: bool = False,
        has_bias: bool = True,
        depth: int | None = None,
    ) -> int:
        """FULLY_CONNECTED; it reads the last axis unless `depth` says more or less."""
        n_inputs = depth or self.shape(tensor)[-1]
        return self._weighted(
            "FULLY_CONNECTED",
            tensor,
            self.int8(n_outputs, n_inputs),
            FullyConnectedAttributes(activation=fused, keep_num_dims=keep_num_dims),
            axis=0,
            depth=n_inputs,
            per_channel=per_channel,
            has_bias=has_bias,
        )

    def graph(self, *outputs: int) -> Graph:
        """The graph with these outputs."""
        return Graph(
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            inputs=tuple(self.inputs),
            outputs=outputs,
        )

    def _weighted(
        self,
        kind: str,
        source: int,
        weights: npt.NDArray[np.int8],
        attributes: Hashable,
        *,
        axis: int,
        depth: int,
        per_channel: bool,
        has_bias: bool,
    ) -> int:
        n_channels = weights.shape[axis]
        scales = self.rng.uniform(0.004, 0.02, n_channels if per_channel else 1).tolist()
        input_scale = self.quantization(source)[0]
        spread = _SPREAD * _SPREAD * math.sqrt(depth)
        inputs = [source, self.constant(weights, scales=scales, axis=axis)]
        if has_bias:
            bias = self.rng.normal(0, spread / 2, (n_channels,)).astype(np.int32)
            inputs.append(self.constant(bias, scales=[input_scale * scale for scale in scales]))
        scale = input_scale * float(np.mean(scales)) * spread / 60
        return self.op(kind, inputs, attributes, scale=scale)

    def _activation(
        self, name: str | None, shape: Sequence[int], scale: float | None, zero_point: int | None
    ) -> int:
        if scale is None:
            scale = float(np.exp(self.rng.uniform(np.log(0.004), np.log(0.4))))
        if zero_point is None:
            zero_point = int(
                self.rng.choice(_ZERO_POINTS)
                if self.rng.random() < 0.4
                else self.rng.integers(-128, 128)
            )
        return self._add(
            activation(
                name if name is not None else f"tensor {len(self.tensors)}",
                shape,
                scale=scale,
                zero_point=zero_point,
            )
        )

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def convolution_attributes(**changes: Any) -> Conv2DAttributes:  # noqa: ANN401
    """SAME, stride 1, no dilation, no activation, but for `changes`."""
    values: dict[str, Any] = {
        "padding": Padding.SAME,
        "stride_h": 1,
        "stride_w": 1,
        "dilation_h": 1,
        "dilation_w": 1,
        "activation": Activation.NONE,
    }
    return Conv2DAttributes(**(values | changes))


def depthwise_attributes(multiplier: int = 1, **changes: Any) -> DepthwiseConv2DAttributes:  # noqa: ANN401
    """SAME, stride 1, no dilation, no activation, but for `changes`."""
    values: dict[str, Any] = {
        "padding": Padding.SAME,
        "stride_h": 1,
        "stride_w": 1,
        "dilation_h": 1,
        "dilation_w": 1,
        "depth_multiplier": multiplier,
        "activation": Activation.NONE,
    }
    return DepthwiseConv2DAttributes(**(values | changes))


def pool_attributes(**changes: Any) -> Pool2DAttributes:  # noqa: ANN401
    """VALID, 2x2 at stride 2, no activation, but for `changes`."""
    values: dict[str, Any] = {
        "padding": Padding.VALID,
        "stride_h": 2,
        "stride_w": 2,
        "filter_h": 2,
        "filter_w": 2,
        "activation": Activation.NONE,
    }
    return Pool2DAttributes(**(values | changes))


def concatenation_attributes(axis: int) -> ConcatenationAttributes:
    """Along `axis`."""
    return ConcatenationAttributes(axis=axis, activation=Activation.NONE)


def random_network(seed: int, *, n_ops: int = 20) -> Graph:
    """A network of about `n_ops` operators of any kind, all its leaves being outputs.

    Operators read any tensor that is there already, so that lives overlap and branches join.
    """
    return _Drawing(seed).draw(n_ops)


class _Drawing:
    """A network in the course of being drawn."""

    def __init__(self, seed: int) -> None:
        self.net = Network(seed)
        self.rng = self.net.rng
        self.usable: list[int] = []  # computed int8 tensors and inputs

    def draw(self, n_ops: int) -> Graph:
        for _ in range(int(self.rng.integers(1, 4))):
            self._draw_input()
        steps = [
            self._image_step,
            self._image_step,
            self._image_step,
            self._binary_step,
            self._binary_step,
            self._unary_step,
            self._unary_step,
            self._concatenation,
            self._fully_connected,
            self._mean,
            self._pad,
            self._reshape,
        ]
        while len(self.net.ops) < n_ops:
            step = steps[int(self.rng.integers(len(steps)))]
            made = step()
            if math.prod(self.net.shape(made)) <= _LARGEST:
                self.usable.append(made)
        return self._finish()

    def _draw_input(self) -> None:
        net, rng = self.net, self.rng
        extents = [int(e) for e in rng.integers(1, 7, int(rng.integers(1, 6)))]
        shape = [int(rng.integers(1, 3)), 6, 7, 3] if rng.random() < 0.6 else extents
        if rng.random() < 0.25:
            scale, zero_point = float(rng.uniform(0.01, 0.3)), int(rng.integers(-128, 128))
            self.usable.append(net.quantize(net.float_input(shape), scale, zero_point))
        else:
            self.usable.append(net.input(shape))

    def _finish(self) -> Graph:
        net, rng = self.net, self.rng
        read = {index for op in net.ops for index in op.inputs}
        outputs = [op.outputs[0] for op in net.ops if op.outputs[0] not in read]
        for index, leaf in enumerate(outputs):
            if rng.random() < 0.3:
                outputs[index] = net.op("DEQUANTIZE", [leaf])
        inner = [op.outputs[0] for op in net.ops if op.outputs[0] not in outputs]
        variable = [index for index in inner if net.tensors[index].dtype is DType.INT8]
        outputs += [int(rng.choice(variable))] if variable and rng.random() < 0.5 else []
        outputs += [int(rng.choice(net.inputs))] if rng.random() < 0.2 else []
        outputs += [outputs[0]] if rng.random() < 0.2 else []
        return net.graph(*(int(index) for index in rng.permutation(outputs)))

    # Choices.

    def _one(self, *, rank: int | None = None) -> int:
        """Any tensor; with a rank, one of it, made by RESHAPE where there is none."""
        fitting = [t for t in self.usable if rank is None or len(self.net.shape(t)) == rank]
        # Late ones, more often than not, so that the network gets deep.
        if fitting:
            if self.rng.random() < 0.6:
                fitting = fitting[-3:]
            return int(self.rng.choice(fitting))
        tensor = int(self.rng.choice(self.usable))
        return self.net.reshape(tensor, self._split(math.prod(self.net.shape(tensor)), rank or 1))

    def _split(self, n_elements: int, rank: int) -> list[int]:
        """Random extents whose product is `n_elements`."""
        extents = []
        for _ in range(rank - 1):
            divisors = [d for d in range(1, min(n_elements, 12) + 1) if n_elements % d == 0]
            extents.append(int(self.rng.choice(divisors)))
            n_elements //= extents[-1]
        extents.append(n_elements)
        return [int(extent) for extent in self.rng.permutation(extents)]

    def _fused(self) -> Activation:
        return list(Activation)[int(self.rng.integers(len(Activation)))]

    def _chance(self, share: float = 0.5) -> bool:
        return bool(self.rng.random() < share)

    def _windows(self, image: int, *, dilated: bool) -> tuple[tuple[int, int], dict[str, Any]]:
        """A filter and a stride; VALID only where the filter fits."""
        rng = self.rng
        height, width = self.net.shape(image)[1:3]
        filter_h, filter_w = (int(n) for n in rng.integers(1, 5, 2))
        dilation = (
            [int(n) for n in rng.integers(1, 4, 2)] if dilated and self._chance(0.3) else [1, 1]
        )
        reach_h = (filter_h - 1) * dilation[0] + 1
        reach_w = (filter_w - 1) * dilation[1] + 1
        fits = reach_h <= height and reach_w <= width
        changes: dict[str, Any] = {
            "padding": Padding.VALID if fits and self._chance() else Padding.SAME,
            "stride_h": int(rng.integers(1, 4)),
            "stride_w": int(rng.integers(1, 4)),
            "activation": self._fused(),
        }
        if dilated:
            changes |= {"dilation_h": dilation[0], "dilation_w": dilation[1]}
        return (filter_h, filter_w), changes

    # Steps, each of which adds one operator and gives its output.

    def _image_step(self) -> int:
        image = self._one(rank=4)
        which = int(self.rng.integers(4))
        size, changes = self._windows(image, dilated=which < 2)
        n_channels = self.net.shape(image)[3]
        if which == 0:
            n_groups = n_channels if n_channels <= 4 and self._chance(0.3) else 1
            return self.net.convolution(
                image,
                n_outputs=n_groups * int(self.rng.integers(1, 5)),
                filter_size=size,
                attributes=convolution_attributes(**changes),
                n_groups=n_groups,
                per_channel=self._chance(0.7),
            )
        if which == 1:
            multiplier = int(self.rng.integers(1, 4)) if n_channels < 8 else 1
            return self.net.depthwise(
                image,
                multiplier=multiplier,
                filter_size=size,
                attributes=depthwise_attributes(multiplier, **changes),
                per_channel=self._chance(0.7),
                has_bias=self._chance(0.7),
            )
        pool = pool_attributes(**changes, filter_h=size[0], filter_w=size[1])
        return self.net.op(("AVERAGE_POOL_2D", "MAX_POOL_2D")[which - 2], [image], pool)

    def _binary_step(self) -> int:
        kind = ("ADD", "MUL")[int(self.rng.integers(2))]
        first = self._one()
        shape = self.net.shape(first)
        alike = [t for t in self.usable if self.net.shape(t) == shape]
        chance = self.rng.random()
        if chance < 0.5:
            second = int(self.rng.choice(alike))  # itself, perhaps
        else:
            extents = [extent if self._chance() else 1 for extent in shape]
            extents = extents[int(self.rng.integers(len(extents) + 1)) :]
            scale, zero_point = (
                float(self.rng.uniform(0.01, 0.3)),
                int(self.rng.integers(-128, 128)),
            )
            second = self.net.constant(
                self.net.int8(*extents), scales=[scale], zero_point=zero_point
            )
        pair = (first, second) if self._chance() else (second, first)
        return self.net.arithmetic(kind, *pair, self._fused())

    def _unary_step(self) -> int:
        kinds = ("RELU", "RELU6", "LOGISTIC", "SOFTMAX", "QUANTIZE")
        kind = kinds[int(self.rng.integers(len(kinds)))]
        tensor = self._one()
        # TFLite's reference aborts where 512 or more elements are equal.
        if kind == "SOFTMAX" and self.net.shape(tensor)[-1] < 512:
            beta = float(self.rng.choice([1.0, 0.5, 3.0]))
            return self.net.op(kind, [tensor], SoftmaxAttributes(beta=beta))
        return self.net.op("RELU" if kind == "SOFTMAX" else kind, [tensor])

    def _concatenation(self) -> int:
        first = self._one()
        shape = self.net.shape(first)
        scale, zero_point = self.net.quantization(first)
        axis = int(self.rng.integers(-len(shape), len(shape)))
        parts = [first]
        for _ in range(int(self.rng.integers(0, 4))):
            alike = [t for t in self.usable if self.net.shape(t) == shape]
            other = int(self.rng.choice(alike))
            chance = self.rng.random()
            if chance < 0.3:
                extents = list(shape)
                extents[axis] = int(self.rng.integers(1, 4))
                parts.append(
                    self.net.constant(
                        self.net.int8(*extents), scales=[scale], zero_point=zero_point
                    )
                )
            elif self.net.quantization(other) == (scale, zero_point):
                parts.append(other)
            else:
                parts.append(self.net.quantize(other, scale, zero_point))
        order = [parts[int(i)] for i in self.rng.permutation(len(parts))]
        return self.net.op("CONCATENATION", order, concatenation_attributes(axis))

    def _fully_connected(self) -> int:
        tensor = self._one()
        keep = self._chance(0.3)
        n_elements = math.prod(self.net.shape(tensor))
        divisors = [d for d in range(1, n_elements + 1) if n_elements % d == 0]
        return self.net.fully_connected(
            tensor,
            n_outputs=int(self.rng.integers(1, 9)),
            keep_num_dims=keep,
            fused=self._fused(),
            per_channel=self._chance(0.3),
            has_bias=self._chance(0.7),
            depth=None if keep else int(self.rng.choice(divisors)),
        )

    def _mean(self) -> int:
        tensor = self._one()
        rank = len(self.net.shape(tensor))
        n_axes = int(self.rng.integers(1, rank + 1))
        axes = self.rng.permutation(rank)[:n_axes]
        if self._chance():
            axes = axes - rank
        # A scalar would be of no use to what follows.
        keep = n_axes == rank or self._chance()
        return self.net.op(
            "MEAN",
            [tensor, self.net.constant(axes.astype(np.int32))],
            MeanAttributes(keep_dims=keep),
        )

    def _pad(self) -> int:
        tensor = self._one()
        rank = len(self.net.shape(tensor))
        dtype = np.int64 if self._chance(0.3) else np.int32
        paddings = self.rng.integers(0, 3, (rank, 2)).astype(dtype)
        return self.net.op("PAD", [tensor, self.net.constant(paddings)])

    def _reshape(self) -> int:
        tensor = self._one()
        n_elements = math.prod(self.net.shape(tensor))
        return self.net.reshape(tensor, self._split(n_elements, int(self.rng.integers(1, 6))))
