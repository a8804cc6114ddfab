"""Models that are sound as files and odd as models, by seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support.tflite_builder import model_object

if TYPE_CHECKING:
    import random

    from anvil.core.graph import Graph
    from tests.support.tflite_builder import SchemaObject

_EXTENTS = (0, 1, 1, 1, 2, 3, 4, 5, 9, 255, 65536, 2**31 - 1, -1)
_SCALES = (1e-45, 1e-38, 1e-9, 0.00390625, 0.5, 1.0, 3.0, 1e9, 3e38, 0.0, -1.0, math.nan)
_ZERO_POINTS = (-(2**63), -(2**31), -129, -128, -1, 0, 1, 127, 128, 255, 2**31 - 1, 2**63 - 1)
_OPTIONS = (-(2**31), -128, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 127, 65536, 2**31 - 1)
_TYPE_BYTES = {0: 4, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 10: 8}
_MAX_DATA_BYTES = 1 << 16


def odd_model(graph: Graph, rng: random.Random) -> SchemaObject:
    """The schema object of `graph` after one to three odd changes."""
    model = model_object(graph)
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(model, rng)
    return model


def _change_shape(model: SchemaObject, rng: random.Random) -> None:
    tensor = rng.choice(model.subgraphs[0].tensors)
    shape = list(tensor.shape)
    match rng.randrange(4):
        case 0:
            shape = [rng.choice(_EXTENTS) for _ in range(rng.randrange(7))]
        case 1 if shape:
            shape[rng.randrange(len(shape))] = rng.choice(_EXTENTS)
        case 2 if shape:
            del shape[rng.randrange(len(shape))]
        case _:
            shape.insert(rng.randrange(len(shape) + 1), rng.choice((1, 1, 2)))
    tensor.shape = shape
    _fit_data(model, tensor, rng)


def _change_type(model: SchemaObject, rng: random.Random) -> None:
    tensor = rng.choice(model.subgraphs[0].tensors)
    tensor.type = rng.choice((*_TYPE_BYTES, *_TYPE_BYTES, 5, 17, 22, 30))
    _fit_data(model, tensor, rng)


def _fit_data(model: SchemaObject, tensor: SchemaObject, rng: random.Random) -> None:
    """Give a constant as many bytes as its shape and type ask for, in most cases."""
    buffer = model.buffers[tensor.buffer]
    n_bytes = math.prod(max(0, extent) for extent in tensor.shape) * _TYPE_BYTES.get(tensor.type, 1)
    if buffer.data is not None and n_bytes <= _MAX_DATA_BYTES and rng.random() < 0.95:
        buffer.data = np.resize(buffer.data, n_bytes)


def _change_quantization(model: SchemaObject, rng: random.Random) -> None:
    tensor = rng.choice(model.subgraphs[0].tensors)
    if rng.random() < 0.2:
        tensor.quantization = None
        return
    quantization = schema.QuantizationParametersT()
    per_channel = len(tensor.shape) > 0 and rng.random() < 0.4
    axis = rng.randrange(len(tensor.shape)) if per_channel else 0
    n_scales = min(max(tensor.shape[axis], 0), 300) if per_channel else 1
    quantization.scale = [rng.choice(_SCALES[:9]) for _ in range(n_scales)]
    quantization.zeroPoint = [0] * n_scales
    if n_scales and rng.random() < 0.3:
        quantization.scale[0] = rng.choice(_SCALES)
    if n_scales and rng.random() < 0.3:
        quantization.zeroPoint[0] = rng.choice(_ZERO_POINTS)
    quantization.quantizedDimension = axis if rng.random() < 0.9 else rng.choice((-1, 1, 9))
    tensor.quantization = quantization


def _change_constant(model: SchemaObject, rng: random.Random) -> None:
    """Other paddings, axes, shapes, weights."""
    constants = [buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data)]
    if constants:
        buffer = rng.choice(constants)
        data = np.array(buffer.data)
        word = rng.choice(_OPTIONS).to_bytes(4, "little", signed=True)
        start = rng.randrange(len(data)) // 4 * 4
        data[start : start + 4] = np.frombuffer(word, np.uint8)[: len(data) - start]
        buffer.data = data


def _change_option(model: SchemaObject, rng: random.Random) -> None:
    options = rng.choice(model.subgraphs[0].operators).builtinOptions
    if options is not None:
        field = rng.choice(sorted(vars(options)))
        value = rng.choice(_OPTIONS)
        current = getattr(options, field)
        if isinstance(current, float):
            setattr(options, field, rng.choice(_SCALES))
        elif isinstance(current, bool):
            setattr(options, field, not current)
        elif field in _BYTE_FIELDS:
            setattr(options, field, max(-128, min(127, value)))
        elif isinstance(current, int):
            setattr(options, field, value)


_BYTE_FIELDS = ("padding", "fusedActivationFunction", "weightsFormat", "quantizedBiasType")


def _change_operands(model: SchemaObject, rng: random.Random) -> None:
    """Another tensor, one more, one fewer, or an absent one."""
    operator = rng.choice(model.subgraphs[0].operators)
    indices = list(operator.inputs)
    index = rng.randrange(-1, len(model.subgraphs[0].tensors))
    match rng.randrange(3):
        case 0 if indices:
            indices[rng.randrange(len(indices))] = index
        case 1 if indices:
            del indices[rng.randrange(len(indices))]
        case _:
            indices.insert(rng.randrange(len(indices) + 1), index)
    operator.inputs = indices


def _change_ports(model: SchemaObject, rng: random.Random) -> None:
    subgraph = model.subgraphs[0]
    field = rng.choice(("inputs", "outputs"))
    indices = [*getattr(subgraph, field), rng.randrange(len(subgraph.tensors))]
    rng.shuffle(indices)
    setattr(subgraph, field, indices[: rng.randrange(len(indices) + 1)])


def _change_kind(model: SchemaObject, rng: random.Random) -> None:
    """Another operator with the tensors and the options of this one."""
    code = rng.choice(model.operatorCodes)
    code.builtinCode = rng.choice(
        (0, 1, 2, 3, 4, 6, 9, 14, 17, 18, 19, 21, 22, 25, 34, 40, 114, 32)
    )
    code.deprecatedBuiltinCode = code.builtinCode
    if rng.random() < 0.8:
        for operator in model.subgraphs[0].operators:
            operator.builtinOptionsType, operator.builtinOptions = 0, None


_CHANGES = (
    _change_shape,
    _change_shape,
    _change_type,
    _change_quantization,
    _change_constant,
    _change_option,
    _change_operands,
    _change_ports,
    _change_kind,
)
