"""Random graphs of one operator each, of sizes as they are in small models.

Every dtype family is tried, and what an operator's own rules refuse is left out, so that a
kernel that comes later is measured without a word here; a new operator gets a generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from anvil.core.tensor import DType, Quantization, Tensor
from anvil.ops.registry import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    import numpy.typing as npt

    from anvil.core.plan import Allocation, KernelCall, Plan, PlannedCall

    Array = npt.NDArray[Any]

FAMILIES = ("int8", "int16", "float32", "float16")
_WITH_WEIGHTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large cases may be."""

    side: int  # height and width of an image
    channels: int  # of an image
    macs: int


COUNTED_SIZES = Sizes(side=14, channels=48, macs=150_000)  # emulated by the hundred
# As large as layers are: what a call costs besides its work would hide how the work grows.
TIMED_SIZES = Sizes(side=40, channels=128, macs=2_500_000)


@dataclass(kw_only=True)
class Draw:
    """Draws of one dtype family."""

    rng: np.random.Generator
    family: str
    sizes: Sizes

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, small ones as often as large ones."""
        return round(float(np.exp(self.rng.uniform(np.log(low), np.log(high)))))

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < probability)

    def activation(
        self, *shape: int, scale: float | None = None, zero_point: int | None = None
    ) -> Tensor:
        """A tensor that is computed."""
        if self.family in {"float32", "float16"}:
            return Tensor(name="a", shape=shape, dtype=DType.FLOAT32, quantization=None)
        if scale is None:
            scale = float(np.float32(self.rng.uniform(0.01, 0.1)))
        if zero_point is None:
            zero_point = int(self.rng.integers(-128, 128))
        return Tensor(
            name="a",
            shape=shape,
            dtype=DType.INT8 if self.family == "int8" else DType.INT16,
            quantization=Quantization(
                scales=(scale,), zero_points=(zero_point if self.family == "int8" else 0,), axis=0
            ),
        )

    def weights(self, shape: tuple[int, ...], axis: int) -> Tensor:
        """Constant weights, one scale for each channel where they are quantized."""
        if self.family in {"float32", "float16"}:
            return constant(self.rng.normal(size=shape).astype(self.family))
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        scales = self.rng.uniform(0.001, 0.004, shape[axis]).astype(np.float32)
        return constant(values, [float(scale) for scale in scales], axis)

    def bias(self, n_channels: int) -> Tensor:
        """A bias of the dtype that goes with the family."""
        if self.family in {"float32", "float16"}:
            return constant(self.rng.normal(size=n_channels).astype(self.family))
        values = self.rng.integers(-3000, 3000, n_channels)
        return constant(values.astype(np.int32 if self.family == "int8" else np.int64), [0.001])

    def fused(self) -> Activation:
        """A fused activation."""
        return Activation.RELU if self.chance(0.6) else Activation.NONE

    def result(self, shape: tuple[int, ...], activation: Activation) -> Tensor:
        """What a layer with weights computes: a converter puts RELU's zero at the lower end."""
        is_usual = activation is Activation.RELU and self.chance(0.85)
        return self.activation(*shape, zero_point=-128 if is_usual else None)

    def channels(self, most: int) -> int:
        """A number of channels; half of them as designers choose them."""
        channels = self.whole(1, most)
        if self.chance(0.5):
            step = int(self.rng.choice([4, 8, 16]))
            channels = -(-channels // step) * step
        return channels

    def image(self, channels: int | None = None) -> tuple[int, int, int, int]:
        """The shape of an image, or of a sequence: an image one pixel wide."""
        channels = self.channels(self.sizes.channels) if channels is None else channels
        if self.chance(0.15):
            return 1, self.whole(1, 4 * self.sizes.side), 1, channels
        return 1, self.whole(1, self.sizes.side), self.whole(1, self.sizes.side), channels


def constant(values: Array, scales: Sequence[float] = (), axis: int = 0) -> Tensor:
    """A constant tensor, quantized with zero points of 0 where there are scales."""
    quantization = None
    if scales:
        quantization = Quantization(scales=tuple(scales), zero_points=(0,) * len(scales), axis=axis)
    return Tensor(
        name="c",
        shape=values.shape,
        dtype=DType(values.dtype.name),
        quantization=quantization,
        data=values.astype(values.dtype.newbyteorder("<")).tobytes(),
    )


Case = tuple[list[Tensor], Tensor, "Hashable"]  # inputs, output, attributes


def _window(draw: Draw, shape: Sequence[int]) -> tuple[Padding, tuple[int, int], tuple[int, int]]:
    padding = Padding.SAME if draw.chance(0.7) else Padding.VALID
    size = draw.whole(1, 5), draw.whole(1, 5)
    if draw.chance(0.25):
        size = 1, 1
    elif shape[2] == 1:  # a sequence
        size = draw.whole(2, 24), 1
    elif draw.chance(0.5):
        size = 3, 3
    if padding is Padding.VALID:
        size = min(size[0], shape[1]), min(size[1], shape[2])
    stride = (1, 1)
    if draw.chance(0.4):
        stride = (2, 2) if draw.chance(0.5) else (draw.whole(1, 3), draw.whole(1, 3))
    return padding, size, stride


def _extent(image: int, n_taps: int, stride: int, padding: Padding) -> int:
    return -(-image // stride) if padding is Padding.SAME else (image - n_taps) // stride + 1


def _output_shape(
    shape: Sequence[int],
    channels: int,
    padding: Padding,
    size: tuple[int, int],
    stride: tuple[int, int],
) -> tuple[int, int, int, int]:
    height = _extent(shape[1], size[0], stride[0], padding)
    width = _extent(shape[2], size[1], stride[1], padding)
    return shape[0], height, width, channels


def _conv_2d(draw: Draw) -> Case:
    shape = draw.image()
    padding, size, stride = _window(draw, shape)
    n_outputs = draw.channels(draw.sizes.channels)
    activation = draw.fused()
    groups = 2 if shape[3] % 2 == 0 and n_outputs % 2 == 0 and draw.chance(0.08) else 1
    weights = draw.weights((n_outputs, *size, shape[3] // groups), 0)
    output = draw.result(_output_shape(shape, n_outputs, padding, size, stride), activation)
    attributes = Conv2DAttributes(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h=1,
        dilation_w=1,
        activation=activation,
    )
    return [draw.activation(*shape), weights, draw.bias(n_outputs)], output, attributes


def _depthwise_conv_2d(draw: Draw) -> Case:
    shape = draw.image(draw.channels(2 * draw.sizes.channels))
    activation = draw.fused()
    padding, size, stride = _window(draw, shape)
    multiplier = 1 if draw.chance(0.85) else 2
    n_outputs = shape[3] * multiplier
    output = draw.result(_output_shape(shape, n_outputs, padding, size, stride), activation)
    attributes = DepthwiseConv2DAttributes(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h=1,
        dilation_w=1,
        depth_multiplier=multiplier,
        activation=activation,
    )
    weights = draw.weights((1, *size, n_outputs), 3)
    return [draw.activation(*shape), weights, draw.bias(n_outputs)], output, attributes


def _fully_connected(draw: Draw) -> Case:
    depth, units = draw.channels(700), draw.channels(128)
    activation = draw.fused()
    attributes = FullyConnectedAttributes(activation=activation, keep_num_dims=False)
    inputs = [draw.activation(1, depth), draw.weights((units, depth), 0), draw.bias(units)]
    return inputs, draw.result((1, units), activation), attributes


def _pool(draw: Draw) -> Case:
    shape = draw.image()
    padding, size, stride = _window(draw, shape)
    if draw.chance(0.3):
        padding, size = Padding.VALID, (shape[1], shape[2])
    given = draw.activation(*shape)
    output = _with_shape(given, _output_shape(shape, shape[3], padding, size, stride))
    attributes = Pool2DAttributes(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_h=size[0],
        filter_w=size[1],
        activation=draw.fused(),
    )
    return [given], output, attributes


def _arithmetic(draw: Draw) -> Case:
    shape = draw.image()
    other = (1, 1, 1, shape[3]) if draw.chance(0.3) else shape
    attributes = ArithmeticAttributes(activation=draw.fused())
    return (
        [draw.activation(*shape), draw.activation(*other)],
        draw.activation(*shape, scale=0.2),
        attributes,
    )


def _mean(draw: Draw) -> Case:
    shape = draw.image()
    axes = np.array([1, 2] if draw.chance(0.7) else [3], dtype=np.int32)
    kept = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    return (
        [draw.activation(*shape), constant(axes)],
        draw.activation(*kept),
        MeanAttributes(keep_dims=False),
    )


def _pad(draw: Draw) -> Case:
    shape = draw.image()
    around = draw.rng.integers(0, 3, (4, 2)).astype(np.int32)
    around[0] = 0
    if draw.chance(0.7):
        around[3] = 0
    given = draw.activation(*shape)
    padded = tuple(n + int(row.sum()) for n, row in zip(shape, around, strict=True))
    return [given, constant(around)], _with_shape(given, padded), None


def _concatenation(draw: Draw) -> Case:
    shape = draw.image()
    given = draw.activation(*shape)
    output = _with_shape(given, (*shape[:3], 2 * shape[3]))
    return [given, given], output, ConcatenationAttributes(axis=3, activation=Activation.NONE)


def _softmax(draw: Draw) -> Case:
    shape = (draw.whole(1, 20), draw.whole(1, 60))
    small = draw.activation(*shape, scale=1 / 256, zero_point=-128)
    if draw.family == "int16":
        small = draw.activation(*shape, scale=1 / 32768)
    return [draw.activation(*shape)], small, SoftmaxAttributes(beta=1.0)


def _logistic(draw: Draw) -> Case:
    shape = draw.image()
    small = draw.activation(*shape, scale=1 / 256, zero_point=-128)
    if draw.family == "int16":
        small = draw.activation(*shape, scale=1 / 32768)
    return [draw.activation(*shape)], small, None


def _tanh(draw: Draw) -> Case:
    shape = draw.image()
    small = draw.activation(*shape, scale=1 / 128, zero_point=0)
    if draw.family == "int16":
        small = draw.activation(*shape, scale=1 / 32768)
    return [draw.activation(*shape)], small, None


def _elementwise(draw: Draw) -> Case:
    shape = draw.image()
    given = draw.activation(*shape)
    return [given], _with_shape(given, shape), None


def _quantize(draw: Draw) -> Case:
    shape = draw.image()
    output = draw.activation(*shape)
    if draw.chance(0.4):
        real = Tensor(name="a", shape=shape, dtype=DType.FLOAT32, quantization=None)
        return [real], output, None
    other = replace(draw, family=draw.rng.choice(["int8", "int16"]))
    return [other.activation(*shape)], output, None


def _dequantize(draw: Draw) -> Case:
    shape = draw.image()
    real = Tensor(name="a", shape=shape, dtype=DType.FLOAT32, quantization=None)
    return [draw.activation(*shape)], real, None


def _with_shape(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return Tensor(
        name=tensor.name, shape=shape, dtype=tensor.dtype, quantization=tensor.quantization
    )


# kind -> (generator, how many cases)
GENERATORS: dict[str, tuple[Callable[[Draw], Case], int]] = {
    "CONV_2D": (_conv_2d, 40),
    "DEPTHWISE_CONV_2D": (_depthwise_conv_2d, 32),
    "FULLY_CONNECTED": (_fully_connected, 16),
    "AVERAGE_POOL_2D": (_pool, 20),
    "MAX_POOL_2D": (_pool, 20),
    "ADD": (_arithmetic, 14),
    "MUL": (_arithmetic, 14),
    "MEAN": (_mean, 14),
    "PAD": (_pad, 14),
    "CONCATENATION": (_concatenation, 10),
    "SOFTMAX": (_softmax, 14),
    "LOGISTIC": (_logistic, 8),
    "TANH": (_tanh, 8),
    "RELU": (_elementwise, 6),
    "RELU6": (_elementwise, 6),
    "QUANTIZE": (_quantize, 24),
    "DEQUANTIZE": (_dequantize, 6),
}


def cases(
    kind: str, family: str, seed: int, sizes: Sizes, ops: Collection[str] | None = None
) -> list[Graph]:
    """Graphs of one operator that its rules accept; none where the family is not supported.

    ops: the kernels' folders that are wanted; an operator whose first case lowers to none of
    them has no other case that does. None for all.
    """
    if family == "float16" and kind not in _WITH_WEIGHTS:
        return []  # the same kernels as float32's
    generate, n_cases = GENERATORS[kind]
    rng = np.random.default_rng([seed, sum(map(ord, kind + family))])
    draw = Draw(rng=rng, family=family, sizes=sizes)
    found: list[Graph] = []
    for _ in range(8 * n_cases):
        if len(found) == n_cases:
            break
        inputs, output, attributes = generate(draw)
        graph = _graph(kind, inputs, output, attributes, sizes.macs)
        if graph is None:
            continue
        if ops is not None and not ops_of(kind, graph) & set(ops):
            return []
        found.append(graph)
    return found


def ops_of(kind: str, graph: Graph) -> set[str]:
    """The kernels' folders that a graph of one operator lowers to."""
    return {call.op for call in DEFINITIONS[kind].lower(graph.ops[-1], graph)}


def _graph(
    kind: str, inputs: list[Tensor], output: Tensor, attributes: Hashable, most_macs: int
) -> Graph | None:
    tensors = [*inputs, output]
    given = list(range(len(inputs)))
    ops: list[Op] = []
    for index, tensor in enumerate(inputs):
        if tensor.dtype is DType.FLOAT16:  # as a converter stores half-precision weights
            given[index] = len(tensors)
            tensors.append(Tensor(name="w", shape=tensor.shape, dtype=DType.FLOAT32))
            ops.append(
                Op(index=len(ops), kind="DEQUANTIZE", inputs=(index,), outputs=(given[index],))
            )
    ops.append(
        Op(
            index=len(ops),
            kind=kind,
            inputs=tuple(given),
            outputs=(len(inputs),),
            attributes=attributes,
        )
    )
    graph = Graph(
        tensors=tuple(tensors),
        ops=tuple(ops),
        inputs=tuple(i for i, tensor in enumerate(inputs) if not tensor.is_constant),
        outputs=(len(inputs),),
    )
    if any(list(DEFINITIONS[op.kind].check(op, graph)) for op in ops):
        return None
    calls = DEFINITIONS[kind].lower(ops[-1], graph)
    return graph if sum(call.n_macs for call in calls) <= most_macs else None


def joined(graphs: Sequence[Graph]) -> Graph:
    """One graph of several that have nothing to do with each other."""
    tensors: list[Tensor] = []
    ops: list[Op] = []
    inputs: list[int] = []
    outputs: list[int] = []
    for graph in graphs:
        shift = len(tensors)
        tensors += graph.tensors
        inputs += [shift + index for index in graph.inputs]
        outputs += [shift + index for index in graph.outputs]
        ops += [
            Op(
                index=len(ops) + n,
                kind=op.kind,
                inputs=tuple(shift + index for index in op.inputs),
                outputs=tuple(shift + index for index in op.outputs),
                attributes=op.attributes,
            )
            for n, op in enumerate(graph.ops)
        ]
    return Graph(
        tensors=tuple(tensors),
        ops=tuple(ops),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def merged(plans: Sequence[Plan], name: str) -> Plan:
    """One plan of several, one behind the other in the arena: nothing is arranged anew."""
    calls: list[PlannedCall] = []
    allocations: list[Allocation] = []
    first_tensor = base = 0
    for plan in plans:
        first_call = len(calls)
        for planned in plan.calls:
            offset = None if planned.scratch_offset is None else base + planned.scratch_offset
            calls.append(
                replace(
                    planned,
                    lowered=_shifted(planned.lowered, first_tensor),
                    call=_shifted(planned.call, first_tensor),
                    op_index=first_call,
                    scratch_offset=offset,
                )
            )
        allocations += [
            replace(one, tensor=first_tensor + one.tensor, offset=base + one.offset)
            for one in plan.allocations
        ]
        first_tensor += len(plan.graph.tensors)
        base += -(-plan.arena_bytes // 16) * 16  # as the arena itself is aligned
    return replace(
        plans[0],
        name=name,
        graph=joined([plan.graph for plan in plans]),
        calls=tuple(calls),
        allocations=tuple(allocations),
        arena_bytes=base,
        arena_lower_bound_bytes=base,
    )


def _shifted(call: KernelCall, by: int) -> KernelCall:
    """The call on the same tensors where others stand before them."""
    return replace(
        call,
        inputs=tuple(by + index for index in call.inputs),
        outputs=tuple(by + index for index in call.outputs),
    )
