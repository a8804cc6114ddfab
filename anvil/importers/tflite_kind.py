"""What a .tflite file computes in, without asking whether its operators are supported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.graph import ABSENT
from anvil.core.tensor import DType, Tensor
from anvil.importers.flatbuffer import DamagedFileError
from anvil.importers.schema import DTYPES
from anvil.importers.tflite_file import read_file_model, shortened

if TYPE_CHECKING:
    from anvil.importers.tflite_file import FileModel, FileOperator

# They lead from one type to another, and compute nothing.
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """One of float32, float16 (half weights), int8, int16x8, mixed, hybrid; and its inputs."""

    name: str
    inputs: tuple[Tensor, ...]  # without their quantization
    not_a_number: str | None = None  # the name of a float32 constant that holds NaN


def kind_of(content: bytes, file: str) -> FileKind | None:
    """The kind of a file that begins like a .tflite; None where it has none of them.

    `hybrid` stands for int8 weights with float32 activations (dynamic range quantization).
    Raises AnvilError (BAD_INPUT, model.corrupt) where the file contradicts itself.
    """
    try:
        model = read_file_model(content)
    except DamagedFileError as error:
        raise AnvilError(
            Diagnostic(
                code="model.corrupt",
                message=f"the model contradicts itself: {error}",
                file=file,
                path=error.path,
                hint="the file is damaged or was cut short: copy it or convert the model again",
            )
        ) from None
    ports = [model.tensors[index] for index in model.inputs]
    name = _name(model)
    known = all(port.type in DTYPES and min(port.shape, default=1) >= 0 for port in ports)
    if name is None or not known:
        return None
    return FileKind(
        name=name,
        inputs=tuple(
            Tensor(name=port.name, shape=port.shape, dtype=DTYPES[port.type]) for port in ports
        ),
        not_a_number=_not_a_number(model),
    )


def _not_a_number(model: FileModel) -> str | None:
    import numpy as np  # noqa: PLC0415  the importer reads shapes without it

    for tensor in model.tensors:
        if (
            tensor.data
            and DTYPES.get(tensor.type) is DType.FLOAT32
            and np.isnan(np.frombuffer(tensor.data, dtype="<f4")).any()
        ):
            return repr(shortened(tensor.name))
    return None


def _name(model: FileModel) -> str | None:
    halves = {
        index
        for operator in model.operators
        if operator.kind == "DEQUANTIZE" and _reads_half(model, operator)
        for index in operator.outputs
    }
    computed: set[DType | None] = set()
    weights: set[DType | None] = set()
    for operator in model.operators:
        if operator.kind in _CONVERSIONS:
            continue
        computed |= {DTYPES.get(model.tensors[index].type) for index in operator.outputs}
        weights |= {
            DTYPES.get(model.tensors[index].type)
            for index in operator.inputs
            if index != ABSENT and model.tensors[index].data is not None
        }
    if DType.FLOAT32 in computed:
        if computed & {DType.INT8, DType.INT16}:
            return "mixed"
        if DType.INT8 in weights:
            return HYBRID
        return "float16" if halves else "float32"
    if DType.INT16 in computed:
        return "int16x8"
    # An operator-free model has no type of its own; the importer says what is wrong with it.
    return "int8" if DType.INT8 in computed or not computed else None


def _reads_half(model: FileModel, operator: FileOperator) -> bool:
    return any(
        index != ABSENT and DTYPES.get(model.tensors[index].type) is DType.FLOAT16
        for index in operator.inputs
    )
