"""Builds .tflite files from graphs, and runs them with the TFLite reference kernels.

A graph is described with the values of anvil/core, so that one description feeds the
builder, the importer and an operator's definition:

    x = activation("x", (1, 4, 4, 2), scale=0.5, zero_point=-3)
    y = activation("y", (1, 4, 4, 2), scale=0.25, zero_point=7)
    graph = one_op_graph("RELU", [x], [y])
    (expected,) = run_reference(tflite_bytes(graph), [values])

A malformed file starts as `model_object(graph)`, is changed field by field, and ends with
`pack(model)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from anvil.core.attributes import (
    ArithmeticAttributes,
    ConcatenationAttributes,
    Conv2DAttributes,
    DepthwiseConv2DAttributes,
    FullyConnectedAttributes,
    MeanAttributes,
    Pool2DAttributes,
    SoftmaxAttributes,
)
from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Quantization, Tensor

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

SchemaObject = Any  # an object of the generated schema, whose classes have no types

# The version of an operator that takes what the tests build: int8, per-channel, dilation.
_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2,
    "ADD": 2,
    "MUL": 2,
    "PAD": 2,
    "CONCATENATION": 2,
    "MEAN": 2,
    "RELU": 2,
    "RELU6": 2,
    "LOGISTIC": 2,
    "DEQUANTIZE": 2,
    "SOFTMAX": 2,
}
_PLACEHOLDER = 127  # the old one-byte code field where the code does not fit it


def activation(
    name: str,
    shape: Sequence[int],
    *,
    dtype: DType = DType.INT8,
    scale: float | None = 1.0,
    zero_point: int = 0,
) -> Tensor:
    """A tensor computed at run time; `scale=None` for one without quantization."""
    return Tensor(
        name=name,
        shape=tuple(shape),
        dtype=dtype,
        quantization=None if scale is None else quantization([scale], [zero_point]),
    )


def constant(
    name: str,
    values: Array,
    *,
    scales: Sequence[float] = (),
    zero_points: Sequence[int] = (),
    axis: int = 0,
) -> Tensor:
    """A constant with the array's own shape and dtype; zero points default to 0."""
    given = quantization(scales, zero_points or [0] * len(scales), axis) if scales else None
    return Tensor(
        name=name,
        shape=values.shape,
        dtype=DType(values.dtype.name),
        quantization=given,
        data=values.astype(values.dtype.newbyteorder("<")).tobytes(),
    )


def quantization(
    scales: Sequence[float], zero_points: Sequence[int], axis: int = 0
) -> Quantization:
    """A quantization whose scales are first rounded to float32, as a file holds them."""
    return Quantization(
        scales=tuple(float(np.float32(scale)) for scale in scales),
        zero_points=tuple(int(zero_point) for zero_point in zero_points),
        axis=axis,
    )


def one_op_graph(
    kind: str,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    attributes: Hashable = None,
) -> Graph:
    """A graph of one operator; None is an absent optional input.

    The graph's inputs are the operator's inputs that are not constant, each once: a tensor
    given twice (the same object) is one tensor that the operator reads twice.
    """
    tensors: list[Tensor] = []
    indices: list[int] = []
    for tensor in inputs:
        if tensor is None:
            indices.append(ABSENT)
            continue
        known = next((i for i, other in enumerate(tensors) if other is tensor), None)
        if known is None:
            known = len(tensors)
            tensors.append(tensor)
        indices.append(known)
    n_inputs = len(tensors)
    tensors.extend(outputs)
    return Graph(
        tensors=tuple(tensors),
        ops=(
            Op(
                index=0,
                kind=kind,
                inputs=tuple(indices),
                outputs=tuple(range(n_inputs, len(tensors))),
                attributes=attributes,
            ),
        ),
        inputs=tuple(i for i in range(n_inputs) if not tensors[i].is_constant),
        outputs=tuple(range(n_inputs, len(tensors))),
    )


def one_op_model(
    kind: str,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    attributes: Hashable = None,
) -> bytes:
    """The .tflite file of `one_op_graph`."""
    return tflite_bytes(one_op_graph(kind, inputs, outputs, attributes))


def tflite_bytes(graph: Graph) -> bytes:
    """A .tflite file of a graph; the kinds may be any builtin operators' names."""
    return pack(model_object(graph))


def pack(model: SchemaObject) -> bytes:
    """The .tflite file of a schema object."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def model_object(graph: Graph) -> SchemaObject:
    """The schema object (a ModelT) of a graph, to be changed and then packed.

    Buffer 0 is empty, as the format asks; each tensor has a buffer of its own after it, in
    the tensors' order, empty where the tensor is computed at run time. There is one
    operator code for each kind, in the order in which the kinds first occur.
    """
    kinds = list(dict.fromkeys(op.kind for op in graph.ops))
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors = [_tensor(tensor, i + 1) for i, tensor in enumerate(graph.tensors)]
    subgraph.inputs = list(graph.inputs)
    subgraph.outputs = list(graph.outputs)
    subgraph.operators = [_operator(op, kinds.index(op.kind)) for op in graph.ops]
    model = schema.ModelT()
    model.version = 3
    model.description = "built by Anvil's tests"
    model.operatorCodes = [_operator_code(kind) for kind in kinds]
    model.subgraphs = [subgraph]
    model.buffers = [schema.BufferT(), *(_buffer(tensor) for tensor in graph.tensors)]
    return model


def run_reference(model: bytes, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """One inference with TFLite's reference kernels: arrays in and out in the model's order.

    Raises what the interpreter raises (ValueError, RuntimeError) for a model that it
    refuses, and ValueError for an input of another shape or dtype.
    """
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    if len(details) != len(inputs):
        msg = f"the model has {len(details)} inputs, found {len(inputs)}"
        raise ValueError(msg)
    for detail, values in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return tuple(
        np.array(interpreter.get_tensor(detail["index"]))
        for detail in interpreter.get_output_details()
    )


def random_array(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Values of a tensor's shape and dtype: an integer's whole range, a float's [-4, 4)."""
    dtype = np.dtype(tensor.dtype.value)
    if dtype.kind == "f":
        return (rng.random(tensor.shape) * 8 - 4).astype(dtype)
    if dtype.kind == "b":
        return rng.random(tensor.shape) < 0.5
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, tensor.shape, dtype=dtype, endpoint=True)


def _operator_code(kind: str) -> SchemaObject:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER)
    code.version = _VERSIONS.get(kind, 1)
    return code


def _buffer(tensor: Tensor) -> SchemaObject:
    buffer = schema.BufferT()
    if tensor.data is not None:
        buffer.data = np.frombuffer(tensor.data, np.uint8)
    return buffer


def _tensor(tensor: Tensor, buffer: int) -> SchemaObject:
    result = schema.TensorT()
    result.name = tensor.name
    result.shape = list(tensor.shape)
    result.type = getattr(schema.TensorType, tensor.dtype.name)
    result.buffer = buffer
    result.hasRank = True
    if tensor.quantization is not None:
        result.quantization = schema.QuantizationParametersT()
        result.quantization.scale = list(tensor.quantization.scales)
        result.quantization.zeroPoint = list(tensor.quantization.zero_points)
        result.quantization.quantizedDimension = tensor.quantization.axis
    return result


def _operator(op: Op, opcode: int) -> SchemaObject:
    result = schema.OperatorT()
    result.opcodeIndex = opcode
    result.inputs = list(op.inputs)
    result.outputs = list(op.outputs)
    options = _options(op)
    if options is not None:
        result.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        result.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    return result


def _options(op: Op) -> SchemaObject:
    match op.attributes:
        case None:
            return None
        case Conv2DAttributes() as a:
            options = schema.Conv2DOptionsT()
            _set_window(options, a)
            _set_dilation(options, a)
            _set_bias_type(options, a)
        case DepthwiseConv2DAttributes() as a:
            options = schema.DepthwiseConv2DOptionsT()
            _set_window(options, a)
            _set_dilation(options, a)
            options.depthMultiplier = a.depth_multiplier
        case FullyConnectedAttributes() as a:
            options = schema.FullyConnectedOptionsT()
            options.keepNumDims = a.keep_num_dims
            _set_bias_type(options, a)
            options.fusedActivationFunction = _activation(a.activation)
        case Pool2DAttributes() as a:
            options = schema.Pool2DOptionsT()
            _set_window(options, a)
            options.filterHeight = a.filter_h
            options.filterWidth = a.filter_w
        case ArithmeticAttributes() as a:
            options = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT}[op.kind]()
            options.fusedActivationFunction = _activation(a.activation)
            if op.kind == "ADD":
                options.potScaleInt16 = a.pot_scale_int16
        case ConcatenationAttributes() as a:
            options = schema.ConcatenationOptionsT()
            options.axis = a.axis
            options.fusedActivationFunction = _activation(a.activation)
        case MeanAttributes() as a:
            options = schema.ReducerOptionsT()
            options.keepDims = a.keep_dims
        case SoftmaxAttributes() as a:
            options = schema.SoftmaxOptionsT()
            options.beta = a.beta
        case _:
            msg = f"no schema options for {type(op.attributes).__name__}"
            raise TypeError(msg)
    return options


def _set_window(
    options: SchemaObject,
    attributes: Conv2DAttributes | DepthwiseConv2DAttributes | Pool2DAttributes,
) -> None:
    options.padding = getattr(schema.Padding, attributes.padding.value)
    options.strideH = attributes.stride_h
    options.strideW = attributes.stride_w
    options.fusedActivationFunction = _activation(attributes.activation)


def _set_dilation(
    options: SchemaObject,
    attributes: Conv2DAttributes | DepthwiseConv2DAttributes,
) -> None:
    options.dilationHFactor = attributes.dilation_h
    options.dilationWFactor = attributes.dilation_w


def _set_bias_type(
    options: SchemaObject, attributes: Conv2DAttributes | FullyConnectedAttributes
) -> None:
    if attributes.bias_dtype is not None:
        options.quantizedBiasType = getattr(schema.TensorType, attributes.bias_dtype.name)


def _activation(name: str) -> int:
    return int(getattr(schema.ActivationFunctionType, name))
