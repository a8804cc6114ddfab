"""An int8 .tflite model as ONNX with the same weights, for ONNX Runtime, which reads no .tflite.

Every operator stands between DequantizeLinear and QuantizeLinear, which ONNX Runtime fuses into
its integer kernels. Images are NCHW, as it wants them, and activations uint8: the int8 values
plus 128, with zero points likewise, which its kernels for x86-64 prefer. It rounds in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anvil.core.attributes import Activation, Padding
from anvil.core.graph import ABSENT
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS

if TYPE_CHECKING:
    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor

_OPSET = 17
_IR_VERSION = 10
_OFFSET = 128  # from int8 to uint8
_IMAGE_RANK = 4
_RELU6 = 6.0


def onnx_model(tflite: bytes) -> bytes:
    """The model as ONNX; KeyError for an operator that no benchmark model has."""
    return _Conversion(import_tflite(tflite, "model", DEFINITIONS)).model()


class _Conversion:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def model(self) -> bytes:
        tensors = self.graph.tensors
        for index in self.graph.inputs:
            self._quantized_input(index)
        for op in self.graph.ops:
            _OPERATORS[op.kind](self, op)
        inputs = [
            helper.make_tensor_value_info(f"in{i}", TensorProto.UINT8, tensors[i].shape)
            for i in self.graph.inputs
        ]
        outputs = [
            helper.make_tensor_value_info(f"q{i}", TensorProto.UINT8, tensors[i].shape)
            for i in self.graph.outputs
        ]
        graph = helper.make_graph(self.nodes, "model", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(made)
        return bytes(made.SerializeToString())

    # Pieces.

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:  # noqa: ANN401  any array
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _scale(self, index: int) -> list[str]:
        quantization = self.graph.tensors[index].quantization
        assert quantization is not None
        scale = self.constant(f"s{len(self.constants)}", np.float32(quantization.scale))
        zero_point = np.uint8(quantization.zero_point + _OFFSET)
        return [scale, self.constant(f"z{len(self.constants)}", zero_point)]

    def real(self, index: int) -> str:
        """The name of a computed tensor's real values."""
        name = f"r{len(self.nodes)}"
        return self.node("DequantizeLinear", [f"q{index}", *self._scale(index)], name)

    def store(self, real: str, index: int, activation: Activation = Activation.NONE) -> None:
        """Quantize `real` as a tensor of the model; its range may say what a clamp would."""
        quantization = self.graph.tensors[index].quantization
        assert quantization is not None
        lowest = (-128 - quantization.zero_point) * quantization.scale
        highest = (127 - quantization.zero_point) * quantization.scale
        limit = _RELU6 if activation is Activation.RELU6 else np.inf
        if activation is not Activation.NONE and (lowest < 0 or highest > limit * 1.001):
            low = self.constant(f"low{index}", np.float32(0))
            high = self.constant(f"high{index}", np.float32(min(limit, 1e30)))
            real = self.node("Clip", [real, low, high], f"clipped{index}")
        self.node("QuantizeLinear", [real, *self._scale(index)], f"q{index}")

    def _quantized_input(self, index: int) -> None:
        if len(self.graph.tensors[index].shape) == _IMAGE_RANK:
            self.node("Transpose", [f"in{index}"], f"q{index}", perm=[0, 3, 1, 2])
        else:
            self.node("Identity", [f"in{index}"], f"q{index}")

    def weights(self, index: int, axes: tuple[int, ...]) -> str:
        """The real values of constant weights, their axes in another order."""
        tensor = self.graph.tensors[index]
        assert tensor.quantization is not None
        values = _array(tensor, np.int8).transpose(axes)
        scales = np.array(tensor.quantization.scales, np.float32)
        if len(scales) == 1:
            scales = np.full(values.shape[0], scales[0], np.float32)
        names = [
            self.constant(f"w{index}", np.ascontiguousarray(values)),
            self.constant(f"ws{index}", scales),
            self.constant(f"wz{index}", np.zeros(len(scales), np.int8)),
        ]
        return self.node("DequantizeLinear", names, f"real_w{index}", axis=0)

    def bias(self, op: Op) -> list[str]:
        """The real values of the bias, whose scale is that of the products."""
        index = op.inputs[2] if len(op.inputs) > 2 else ABSENT
        if index == ABSENT:
            return []
        given = self.graph.tensors[op.inputs[0]].quantization
        weights = self.graph.tensors[op.inputs[1]].quantization
        assert given is not None
        assert weights is not None
        values = _array(self.graph.tensors[index], np.int32)
        scales = np.broadcast_to(np.array(weights.scales, np.float32), values.shape)
        names = [
            self.constant(f"b{index}", values),
            self.constant(f"bs{index}", np.float32(given.scale) * scales),
            self.constant(f"bz{index}", np.zeros(len(values), np.int32)),
        ]
        return [self.node("DequantizeLinear", names, f"real_b{index}", axis=0)]


def _array(tensor: Tensor, dtype: Any) -> Any:  # noqa: ANN401  a dtype and an array of it
    return np.frombuffer(tensor.data or b"", dtype).reshape(tensor.shape)


def _padding(attributes: Any) -> str:  # noqa: ANN401  of any windowed operator
    return "SAME_UPPER" if attributes.padding is Padding.SAME else "VALID"


def _convolution(to: _Conversion, op: Op) -> None:
    attributes: Any = op.attributes
    weights = to.graph.tensors[op.inputs[1]]
    group = 1
    axes = (0, 3, 1, 2)
    if op.kind == "DEPTHWISE_CONV_2D":
        group = to.graph.tensors[op.inputs[0]].shape[-1]
        axes = (3, 0, 1, 2)
    real = to.node(
        "Conv",
        [to.real(op.inputs[0]), to.weights(op.inputs[1], axes), *to.bias(op)],
        f"conv{op.index}",
        auto_pad=_padding(attributes),
        strides=[attributes.stride_h, attributes.stride_w],
        dilations=[attributes.dilation_h, attributes.dilation_w],
        group=group,
        kernel_shape=list(weights.shape[1:3]),
    )
    to.store(real, op.outputs[0], attributes.activation)


def _fully_connected(to: _Conversion, op: Op) -> None:
    attributes: Any = op.attributes
    names = [to.real(op.inputs[0]), to.weights(op.inputs[1], (0, 1)), *to.bias(op)]
    real = to.node("Gemm", names, f"gemm{op.index}", transB=1)
    to.store(real, op.outputs[0], attributes.activation)


def _average_pool(to: _Conversion, op: Op) -> None:
    attributes: Any = op.attributes
    real = to.node(
        "AveragePool",
        [to.real(op.inputs[0])],
        f"pool{op.index}",
        auto_pad=_padding(attributes),
        strides=[attributes.stride_h, attributes.stride_w],
        kernel_shape=[attributes.filter_h, attributes.filter_w],
        count_include_pad=0,
    )
    to.store(real, op.outputs[0], attributes.activation)


def _add(to: _Conversion, op: Op) -> None:
    attributes: Any = op.attributes
    real = to.node("Add", [to.real(op.inputs[0]), to.real(op.inputs[1])], f"add{op.index}")
    to.store(real, op.outputs[0], attributes.activation)


def _reshape(to: _Conversion, op: Op) -> None:
    given = to.graph.tensors[op.inputs[0]].shape
    name = f"q{op.inputs[0]}"
    if len(given) == _IMAGE_RANK and given[1] * given[2] > 1:
        name = to.node("Transpose", [name], f"nhwc{op.index}", perm=[0, 2, 3, 1])
    wanted = np.array(to.graph.tensors[op.outputs[0]].shape, np.int64)
    if len(wanted) == _IMAGE_RANK:
        raise KeyError(op.kind)  # the benchmark models flatten
    to.node("Reshape", [name, to.constant(f"shape{op.index}", wanted)], f"q{op.outputs[0]}")


def _softmax(to: _Conversion, op: Op) -> None:
    to.store(to.node("Softmax", [to.real(op.inputs[0])], f"softmax{op.index}"), op.outputs[0])


_OPERATORS = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}
