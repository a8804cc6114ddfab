"""Small edits of a .tflite file as objects: read, add tensors and operators, write.

The objects are LiteRT's own (`ModelT` and its parts), which read without verification: this
runs in workers, where a damaged file ends a child and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_IDENTIFIER = b"TFL3"
_PLACEHOLDER = 127  # the old field's value for an operator that needs the new one

# Numbers of the TensorFlow Lite schema.
FLOAT32, FLOAT16, INT32, INT8, INT16 = 0, 1, 2, 9, 7
CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, FULLY_CONNECTED, QUANTIZE = 3, 4, 6, 9, 114
TRANSPOSE_CONV = 67


def read(content: bytes) -> Any:  # noqa: ANN401  LiteRT ships no types
    """A file's ModelT."""
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415  takes a while

    return schema.ModelT.InitFromPackedBuf(content, 0)


def write(model: Any) -> bytes:  # noqa: ANN401
    """A ModelT's file."""
    import flatbuffers  # noqa: PLC0415  takes a while

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def constant_bytes(model: Any, tensor: Any) -> bytes | None:  # noqa: ANN401
    """What a tensor's buffer holds, None where the tensor is computed."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or len(data) == 0 else bytes(bytearray(data))


def builtin_code(model: Any, operator: Any) -> int:  # noqa: ANN401
    """The schema's number of an operator's kind."""
    return builtin_of(model.operatorCodes[operator.opcodeIndex])


def add_tensor(
    model: Any,  # noqa: ANN401
    name: bytes,
    shape: Any,  # noqa: ANN401  as the tensor that it stands for has it
    kind: int,
    constant: Array | None = None,
) -> int:
    """A new tensor of the first subgraph; its index. With `constant` its bytes, else computed."""
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    tensor = schema.TensorT()
    tensor.name = name
    tensor.shape = shape
    tensor.type = kind
    tensor.buffer = 0  # the empty one, by the schema
    if constant is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1


def make_operator(model: Any, code: int, version: int, source: int, target: int) -> Any:  # noqa: ANN401
    """An operator of one input and one output without options; not in the graph yet."""
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    index = next(
        (
            number
            for number, known in enumerate(model.operatorCodes)
            if builtin_of(known) == code and known.version >= version
        ),
        None,
    )
    if index is None:
        made = schema.OperatorCodeT()
        made.builtinCode = code
        made.deprecatedBuiltinCode = min(code, _PLACEHOLDER)
        made.version = version
        model.operatorCodes.append(made)
        index = len(model.operatorCodes) - 1
    operator = schema.OperatorT()
    operator.opcodeIndex = index
    operator.inputs = np.array([source], np.int32)
    operator.outputs = np.array([target], np.int32)
    return operator


def builtin_of(code: Any) -> int:  # noqa: ANN401
    """The schema's number of an operator code."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def drop_unused(model: Any) -> None:  # noqa: ANN401
    """Remove the first subgraph's tensors that nothing names, and the contents they had.

    A computed tensor without a writer would look like an input of the model.
    """
    graph = model.subgraphs[0]
    used = {int(i) for i in (*graph.inputs, *graph.outputs)}
    for operator in graph.operators:
        used |= {int(i) for i in (*operator.inputs, *operator.outputs)}
    kept = [index for index in range(len(graph.tensors)) if index in used]
    numbers = {old: new for new, old in enumerate(kept)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in kept]

    def renumbered(indices: Any) -> Array:  # noqa: ANN401
        return np.array([numbers[int(i)] for i in indices], np.int32)

    graph.inputs, graph.outputs = renumbered(graph.inputs), renumbered(graph.outputs)
    for operator in graph.operators:
        operator.inputs = renumbered(operator.inputs)
        operator.outputs = renumbered(operator.outputs)
    for signature in model.signatureDefs or ():
        for port in (*(signature.inputs or ()), *(signature.outputs or ())):
            port.tensorIndex = numbers[int(port.tensorIndex)]
    named = {tensor.buffer for part in model.subgraphs for tensor in part.tensors}
    named |= {row.buffer for row in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in named:
            buffer.data = None
