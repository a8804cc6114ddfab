"""The first subgraph of a .tflite file as plain values, structure checked, meaning not."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from anvil.core.graph import ABSENT
from anvil.importers.flatbuffer import Buffer, DamagedFileError, Table
from anvil.importers.schema import (
    BUILTIN_OPERATORS,
    CUSTOM,
    DTYPES,
    PLACEHOLDER,
    SCHEMA_VERSION,
    TENSOR_TYPES,
    BufferSlot,
    ModelSlot,
    OperatorCodeSlot,
    OperatorSlot,
    QuantizationSlot,
    SubGraphSlot,
    TensorSlot,
)

_MAX_RANK = 8  # more than any operator of TFLite takes
_MAX_NAME = 60  # characters of a name in a message; fused layers have names of hundreds


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuantization:
    """A tensor's scales: one zero point each, one for the tensor or for each index of `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    details_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTensor:
    """A tensor as the file has it; a constant of a type that we know has its shape's bytes."""

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]  # the shape with -1 for what is open; empty where nothing is
    type: int
    data: bytes | None
    quantization: FileQuantization | None
    is_variable: bool
    is_sparse: bool
    is_external: bool

    @property
    def label(self) -> str:
        """How messages name it: `tensor 3 'conv/bias'`."""
        return f"tensor {self.index} {shortened(self.name)!r}"

    @property
    def type_name(self) -> str:
        """The schema's name of the element type."""
        return TENSOR_TYPES[self.type] if 0 <= self.type < len(TENSOR_TYPES) else f"{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOperator:
    """An operator as the file has it; every index is that of a tensor, or ABSENT (inputs)."""

    index: int
    kind: str  # a custom operator's own name is in `custom_code`
    custom_code: str | None
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: int
    options: Table | None
    path: str

    @property
    def label(self) -> str:
        """How messages name it: `op 3 CONV_2D`."""
        custom = "" if self.custom_code is None else f" {shortened(self.custom_code)!r}"
        return f"op {self.index} {self.kind}{custom}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OperatorCode:
    """What several operators of a file have in common."""

    kind: str
    custom_code: str | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileModel:
    """The subgraph that runs; operators in execution order, each after what it reads."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_file_model(content: bytes) -> FileModel:
    """The first subgraph of a file that begins like a .tflite; raises DamagedFileError.

    Further subgraphs are bodies of control flow, whose operators are not supported.
    """
    buffer = Buffer(content)
    root = Table.root(buffer)
    version = root.integer(ModelSlot.VERSION, "version", "I")
    if version != SCHEMA_VERSION:
        raise DamagedFileError(
            path="version", message=f"is {version}, and the format's only one is 3"
        )
    subgraphs = root.tables(ModelSlot.SUBGRAPHS, "subgraphs")
    if not subgraphs:
        raise DamagedFileError(path="subgraphs", message="there is none, and so nothing to run")
    subgraph = subgraphs[0]
    buffers = root.tables(ModelSlot.BUFFERS, "buffers")
    data: dict[int, bytes] = {}
    tensors = tuple(
        _tensor(index, table, buffers, data)
        for index, table in enumerate(subgraph.tables(SubGraphSlot.TENSORS, "tensors"))
    )
    codes = tuple(
        _operator_code(table) for table in root.tables(ModelSlot.OPERATOR_CODES, "operator_codes")
    )
    operators = tuple(
        _operator(index, table, codes, len(tensors))
        for index, table in enumerate(subgraph.tables(SubGraphSlot.OPERATORS, "operators"))
    )
    model = FileModel(
        tensors=tensors,
        operators=operators,
        inputs=_indices(subgraph, SubGraphSlot.INPUTS, "inputs", len(tensors)),
        outputs=_indices(subgraph, SubGraphSlot.OUTPUTS, "outputs", len(tensors)),
    )
    _check_order(model, subgraph.path)
    return model


def _tensor(
    index: int, table: Table, buffers: tuple[Table, ...], data: dict[int, bytes]
) -> FileTensor:
    buffer_index = table.integer(TensorSlot.BUFFER, "buffer", "I")
    shape = table.integers(TensorSlot.SHAPE, "shape", "i") or ()
    if len(shape) > _MAX_RANK:
        raise DamagedFileError(
            path=table.name_of("shape"),
            message=f"has {len(shape)} dimensions, and at most {_MAX_RANK} make sense",
        )
    tensor = FileTensor(
        index=index,
        name=_printable(table.text(TensorSlot.NAME, "name")),
        shape=shape,
        signature=table.integers(TensorSlot.SHAPE_SIGNATURE, "shape_signature", "i") or (),
        type=table.integer(TensorSlot.TYPE, "type", "b"),
        data=None,
        quantization=_quantization(table, shape),
        is_variable=table.boolean(TensorSlot.IS_VARIABLE, "is_variable"),
        is_sparse=table.has(TensorSlot.SPARSITY, "sparsity"),
        is_external=table.integer(TensorSlot.EXTERNAL_BUFFER, "external_buffer", "I") != 0,
    )
    if buffer_index >= len(buffers):
        raise DamagedFileError(
            path=table.name_of("buffer"),
            message=f"{tensor.label} names buffer {buffer_index}, and there are {len(buffers)}",
        )
    if buffer_index not in data:
        data[buffer_index] = _buffer_data(buffers[buffer_index])
    if not data[buffer_index]:
        return tensor
    _check_size(tensor, data[buffer_index], table.name_of("buffer"))
    return dataclasses.replace(tensor, data=data[buffer_index])


def _check_size(tensor: FileTensor, data: bytes, path: str) -> None:
    """Raise where a constant's shape and its bytes differ, as far as its type says."""
    dtype = DTYPES.get(tensor.type)
    if dtype is None or tensor.is_sparse or min(tensor.shape, default=1) < 0:
        return
    expected = math.prod(tensor.shape) * dtype.n_bytes
    if len(data) != expected:
        raise DamagedFileError(
            path=path,
            message=f"{tensor.label} of shape {list(tensor.shape)} and type {dtype.value} has "
            f"{expected} bytes, and its buffer holds {len(data)}",
        )


def shortened(name: str) -> str:
    """A name as messages give it."""
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 3] + "..."


def _printable(text: str) -> str:
    """A name for messages, JSON and comments in C: on one line, without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _buffer_data(table: Table) -> bytes:
    """A buffer's bytes: in the buffer, or behind the flatbuffer where the file is large."""
    offset = table.integer(BufferSlot.OFFSET, "offset", "Q")
    if offset <= 1:  # 0 is the default, and 1 a place that the writer has not filled in
        return table.octets(BufferSlot.DATA, "data")
    size = table.integer(BufferSlot.SIZE, "size", "Q")
    path = table.name_of("offset")
    table.buffer.require(offset, size, path)
    table.buffer.spend(size, path)
    return table.buffer.content[offset : offset + size]


def _quantization(tensor: Table, shape: tuple[int, ...]) -> FileQuantization | None:
    """A tensor's scales; None where the file has none, or only the range seen in training."""
    table = tensor.table(TensorSlot.QUANTIZATION, "quantization")
    if table is None:
        return None
    details_type = table.integer(QuantizationSlot.DETAILS_TYPE, "details_type", "B")
    scales = table.reals(QuantizationSlot.SCALE, "scale") or ()
    zero_points = table.integers(QuantizationSlot.ZERO_POINT, "zero_point", "q") or ()
    axis = table.integer(QuantizationSlot.QUANTIZED_DIMENSION, "quantized_dimension", "i")
    if not scales and details_type == 0:
        return None
    if len(scales) != len(zero_points):
        raise DamagedFileError(
            path=table.path,
            message=f"there are {len(scales)} scales and {len(zero_points)} zero points",
        )
    if not 0 <= axis < max(1, len(shape)):
        raise DamagedFileError(
            path=table.name_of("quantized_dimension"),
            message=f"is {axis}, and the tensor has the shape {list(shape)}",
        )
    if len(scales) > 1:
        n_channels = shape[axis] if shape else 1
        if len(scales) != n_channels:
            raise DamagedFileError(
                path=table.name_of("scale"),
                message=f"there are {len(scales)} scales "
                f"for axis {axis} of the shape {list(shape)}",
            )
    return FileQuantization(
        scales=scales, zero_points=zero_points, axis=axis, details_type=details_type
    )


def _operator_code(table: Table) -> _OperatorCode:
    # Files from before 2021 have only the one-byte field; a later file fills both, and
    # puts 127 into the small one where the code does not fit.
    old = table.integer(OperatorCodeSlot.DEPRECATED_BUILTIN_CODE, "deprecated_builtin_code", "b")
    new = table.integer(OperatorCodeSlot.BUILTIN_CODE, "builtin_code", "i")
    number = max(old, new)
    known = 0 <= number < len(BUILTIN_OPERATORS) and BUILTIN_OPERATORS[number] != PLACEHOLDER
    kind = BUILTIN_OPERATORS[number] if known else f"BUILTIN_{number}"
    custom_code = None
    if kind == CUSTOM:
        custom_code = _printable(table.text(OperatorCodeSlot.CUSTOM_CODE, "custom_code"))
    return _OperatorCode(
        kind=kind,
        custom_code=custom_code,
        version=table.integer(OperatorCodeSlot.VERSION, "version", "i", 1),
    )


def _operator(
    index: int, table: Table, codes: tuple[_OperatorCode, ...], n_tensors: int
) -> FileOperator:
    opcode = table.integer(OperatorSlot.OPCODE_INDEX, "opcode_index", "I")
    if opcode >= len(codes):
        raise DamagedFileError(
            path=table.name_of("opcode_index"),
            message=f"names operator code {opcode}, and there are {len(codes)}",
        )
    code = codes[opcode]
    return FileOperator(
        index=index,
        kind=code.kind,
        custom_code=code.custom_code,
        version=code.version,
        inputs=_indices(table, OperatorSlot.INPUTS, "inputs", n_tensors, allow_absent=True),
        outputs=_indices(table, OperatorSlot.OUTPUTS, "outputs", n_tensors),
        options_type=table.integer(OperatorSlot.BUILTIN_OPTIONS_TYPE, "builtin_options_type", "B"),
        options=table.table(OperatorSlot.BUILTIN_OPTIONS, "builtin_options"),
        path=table.path,
    )


def _indices(
    table: Table, slot: int, name: str, n_tensors: int, *, allow_absent: bool = False
) -> tuple[int, ...]:
    indices = table.integers(slot, name, "i") or ()
    for position, index in enumerate(indices):
        if not 0 <= index < n_tensors and not (allow_absent and index == ABSENT):
            raise DamagedFileError(
                path=f"{table.name_of(name)}[{position}]",
                message=f"names tensor {index}, and there are {n_tensors}",
            )
    return indices


def _check_order(model: FileModel, path: str) -> None:
    """Raise where a tensor is read before it is written, or written twice."""
    if not model.inputs:
        raise DamagedFileError(path=f"{path}.inputs", message="the model has no input")
    if not model.outputs:
        raise DamagedFileError(path=f"{path}.outputs", message="the model has no output")
    known = {tensor.index for tensor in model.tensors if tensor.data is not None}
    for position, index in enumerate(model.inputs):
        if index in known:
            is_constant = model.tensors[index].data is not None
            raise DamagedFileError(
                path=f"{path}.inputs[{position}]",
                message=f"{model.tensors[index].label} is "
                f"{'a constant' if is_constant else 'listed twice'}",
            )
        known.add(index)
    # State and data in other files have a value before any operator runs; that they are
    # not supported is for the caller to say.
    known.update(t.index for t in model.tensors if t.is_variable or t.is_external)
    for operator in model.operators:
        for position, index in enumerate(operator.inputs):
            if index != ABSENT and index not in known:
                raise DamagedFileError(
                    path=f"{operator.path}.inputs[{position}]",
                    message=f"{operator.label} reads {model.tensors[index].label} "
                    "before anything wrote it",
                )
        for position, index in enumerate(operator.outputs):
            if index in known:
                raise DamagedFileError(
                    path=f"{operator.path}.outputs[{position}]",
                    message=f"{operator.label} writes {model.tensors[index].label}, "
                    "which has a value already",
                )
            known.add(index)
    for position, index in enumerate(model.outputs):
        if index not in known:
            raise DamagedFileError(
                path=f"{path}.outputs[{position}]",
                message=f"nothing writes {model.tensors[index].label}",
            )
