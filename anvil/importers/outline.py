"""What a model file says of itself without being imported or loaded: its inputs and outputs.

Only `anvil init` reads it, and leaves out of an anvil.yaml what is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.core.graph import Graph

Shape = tuple[int | None, ...]  # None for an extent that the file leaves open, as the batch

# Layers of Keras that keep the shape of what they get.
_SAME_SHAPE = {"Activation", "BatchNormalization", "Dropout", "LeakyReLU", "ReLU", "Softmax"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlinePort:
    """An input or output; `dtype` is NumPy's name of it."""

    name: str
    shape: Shape
    dtype: str | None = None

    @property
    def sample_shape(self) -> Shape:
        """The shape without the batch."""
        return self.shape[1:]

    def describe(self) -> str:
        """The port in words.

        >>> OutlinePort(name="image", shape=(None, 8, 8, 1), dtype="int8").describe()
        '8 x 8 x 1 int8'
        """
        extents = " x ".join("?" if n is None else str(n) for n in self.sample_shape) or "1"
        return f"{extents} {self.dtype or ''}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A model's inputs and outputs; empty where the file does not tell them."""

    inputs: tuple[OutlinePort, ...] = ()
    outputs: tuple[OutlinePort, ...] = ()


def outline_of_graph(graph: Graph) -> Outline:
    """Of an imported model."""
    inputs, outputs = (
        tuple(
            OutlinePort(name=tensor.name, shape=tensor.shape, dtype=tensor.dtype.value)
            for tensor in (graph.tensors[index] for index in indices)
        )
        for indices in (graph.inputs, graph.outputs)
    )
    return Outline(inputs=inputs, outputs=outputs)


def outline_of_keras(config: object) -> Outline:
    """Of a model's configuration, as .keras and .h5 files of Keras 2 and 3 hold it.

    config: the parsed JSON, which may be anything. Several outputs are left out, and so is
    one whose layer does not say its own size.
    """
    model = _mapping(_mapping(config).get("config"))
    layers = [_mapping(layer) for layer in _sequence(model.get("layers"))]
    inputs = []
    for layer in layers:
        settings = _mapping(layer.get("config"))
        if layer.get("class_name") == "InputLayer":
            shape = _shape(settings.get("batch_shape", settings.get("batch_input_shape")))
            if shape is not None:
                name = str(settings.get("name") or layer.get("name") or "")
                dtype = settings.get("dtype")
                inputs.append(
                    OutlinePort(
                        name=name, shape=shape, dtype=dtype if isinstance(dtype, str) else None
                    )
                )
    if not inputs:
        # A Sequential without an input layer: its first layer or the model knows the shape.
        first = _mapping(layers[0].get("config")) if layers else {}
        for found in (first.get("batch_input_shape"), model.get("build_input_shape")):
            shape = _shape(found)
            if shape is not None:
                inputs.append(OutlinePort(name="", shape=shape))
                break
    units = _units(layers) if len(_output_names(model)) <= 1 else None
    outputs = () if units is None else (OutlinePort(name="", shape=(None, units)),)
    return Outline(inputs=tuple(inputs), outputs=outputs)


def _output_names(model: Mapping[str, Any]) -> list[object]:
    found = _sequence(model.get("output_layers"))
    # One output may stand there as [name, 0, 0] instead of [[name, 0, 0]].
    return [found] if found and isinstance(found[0], str) else list(found)


def _units(layers: Sequence[Mapping[str, Any]]) -> int | None:
    """The width of the last layer, through those that keep the shape."""
    for layer in reversed(layers):
        if str(layer.get("class_name")) in _SAME_SHAPE:
            continue
        units = _mapping(layer.get("config")).get("units")
        is_dense = layer.get("class_name") == "Dense"
        return units if is_dense and isinstance(units, int) and units > 0 else None
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _shape(value: object) -> Shape | None:
    extents = _sequence(value)
    if not extents or not all(n is None or (type(n) is int and n > 0) for n in extents):
        return None
    return tuple(extents)


# SavedModel: saved_model.pb is a protocol buffer. Read here are
#   SavedModel.meta_graphs = 2, MetaGraphDef.signature_def = 5 (a map: key = 1, value = 2),
#   SignatureDef.inputs = 1 and outputs = 2 (maps), TensorInfo.dtype = 2 and tensor_shape = 3,
#   TensorShapeProto.dim = 2 and unknown_rank = 3, Dim.size = 1.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGNATURE = b"serving_default"
_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64"}
_TOO_LARGE = 1 << 63  # a negative number, such as -1 for an open extent


def outline_of_saved_model(content: bytes) -> Outline:
    """Of a saved_model.pb's signature `serving_default`; empty where there is none.

    Raises ValueError where the content is no protocol buffer.
    """
    for graph in _messages(content, 2):
        for entry in _messages(graph, 5):
            if next(_messages(entry, 1), b"") == _SIGNATURE:
                signature = next(_messages(entry, 2), b"")
                return Outline(
                    inputs=tuple(_ports(signature, 1)), outputs=tuple(_ports(signature, 2))
                )
    return Outline()


def _ports(signature: bytes, number: int) -> Iterator[OutlinePort]:
    for entry in _messages(signature, number):
        name = next(_messages(entry, 1), b"").decode(errors="replace")
        info = next(_messages(entry, 2), b"")
        dtype = next((v for n, v in _fields(info) if n == 2 and isinstance(v, int)), 0)
        shape = next(_messages(info, 3), b"")
        if any(n == 3 and value for n, value in _fields(shape)):
            continue  # of unknown rank
        sizes = [
            next((v for n, v in _fields(dim) if n == 1 and isinstance(v, int)), 0)
            for dim in _messages(shape, 2)
        ]
        yield OutlinePort(
            name=name,
            shape=tuple(None if not 0 < size < _TOO_LARGE else size for size in sizes),
            dtype=_DTYPES.get(dtype),
        )


def _messages(content: bytes, number: int) -> Iterator[bytes]:
    """The values of one field that are strings or messages."""
    return (value for n, value in _fields(content) if n == number and isinstance(value, bytes))


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in order; fixed-size values are skipped."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield tag >> 3, value
        elif kind == _BYTES:
            size, position = _varint(content, position)
            if position + size > len(content):
                msg = "a field reaches beyond the end"
                raise ValueError(msg)
            yield tag >> 3, content[position : position + size]
            position += size
        elif kind in {_FIXED64, _FIXED32}:
            position += 8 if kind == _FIXED64 else 4
        else:
            msg = f"there is no field of kind {kind}"
            raise ValueError(msg)


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 70:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
    msg = "a number does not end"
    raise ValueError(msg)
