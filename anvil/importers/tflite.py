"""Imports a .tflite file: bytes in, a Graph out, or every reason why not."""

from __future__ import annotations

import dataclasses
import struct
from collections import Counter
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.tensor import DType, Tensor
from anvil.importers.flatbuffer import DamagedFileError
from anvil.importers.recognize import describe
from anvil.importers.schema import FILE_IDENTIFIER
from anvil.importers.tflite_file import read_file_model
from anvil.importers.tflite_options import (
    ROWS,
    UnsupportedOptionError,
    new_shape,
    read_attributes,
)
from anvil.importers.tflite_tensors import (
    as_tensor,
    placeholder,
    tensor_problem,
    unique_names,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from anvil.importers.tflite_file import FileModel
    from anvil.ops.definition import OperatorDefinition

_MAX_REASONS = 8  # tensors of one operator that a message names
_HEADER_BYTES = 8  # the first offset and the file identifier
# Operators that lead from one type to another.
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_ACTIVATION_TYPES = {
    "FLOAT32": "float32",
    "INT8": "int8",
    "INT16": "int16",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "UINT8": "uint8",
}
_SUPPORTED_TYPES = {"FLOAT32", "INT8", "INT16"}
_HOW_TO_CONVERT = (
    "convert it to float32, without optimizations, or with full integer quantization: in "
    "tf.lite.TFLiteConverter set optimizations to [tf.lite.Optimize.DEFAULT], give a "
    "representative_dataset, and set target_spec.supported_ops to "
    "[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
)


def import_tflite(
    content: bytes, file: str, definitions: Mapping[str, OperatorDefinition]
) -> Graph:
    """The graph of a .tflite file, after the TensorFlow Lite schema, version 3.

    `file` names the file in messages; `definitions` are the operators that exist. Ops keep
    the file's order and indices. Tensors keep the file's order; those that no op reads or
    writes are left out, and a RESHAPE whose new shape stands in its options gets it as a
    constant input at the end. Names of tensors are unique and printable.

    Only the file's first subgraph is read. A batch that the file leaves open (-1 in front of
    shape_signature) has the extent of the tensor's shape, which is 1; another open extent of an
    input is refused.

    Raises AnvilError (BAD_INPUT) with the code
    - model.empty, model.not-tflite: it is no .tflite file at all;
    - model.corrupt: it contradicts itself, with the place as the diagnostic's path;
    - model.unsupported-type: it computes in another type than float32, int8 and int16, or in
      float32 on int8 weights (dynamic range quantization);
    - model.unsupported: one error that lists every operator that is not supported, with its
      index and why.
    """
    _check_beginning(content, file)
    try:
        model = read_file_model(content)
        return _graph(model, file, definitions)
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


def _check_beginning(content: bytes, file: str) -> None:
    if not content:
        raise AnvilError(
            Diagnostic(
                code="model.empty",
                message="the model is an empty file (0 bytes)",
                file=file,
                hint="convert the model again, or copy it again",
            )
        )
    if content[4:_HEADER_BYTES] == FILE_IDENTIFIER:
        return
    expected = f"expected the identifier {FILE_IDENTIFIER.decode()} at byte 4"
    found = describe(content)
    if len(content) < _HEADER_BYTES:
        detail = f"it ends after {len(content)} bytes"
    elif found is None:
        detail = f"found {content[4:_HEADER_BYTES]!r}"
    else:
        detail = f"it looks like {found}"
    raise AnvilError(
        Diagnostic(
            code="model.not-tflite",
            message=f"this is not a .tflite model: {expected}, {detail}",
            file=file,
            hint="name a .tflite model, as tf.lite.TFLiteConverter writes it",
        )
    )


def _graph(model: FileModel, file: str, definitions: Mapping[str, OperatorDefinition]) -> Graph:
    supported = ROWS.keys() & definitions.keys()
    problems = {
        tensor.index: problem
        for tensor in model.tensors
        if (problem := tensor_problem(tensor)) is not None
    }
    refusals: dict[int, list[str]] = {}
    attributes: dict[int, Hashable] = {}
    for operator in model.operators:
        reasons = []
        if operator.kind in supported:
            try:
                attributes[operator.index] = read_attributes(operator, ROWS[operator.kind])
            except UnsupportedOptionError as error:
                reasons.append(str(error))
        else:
            reasons.append("operators of this kind are not supported")
        used = dict.fromkeys((*operator.inputs, *operator.outputs))
        unusable = [problems[index] for index in used if index in problems]
        reasons.extend(unusable[:_MAX_REASONS])
        if reasons:
            refusals[operator.index] = reasons
    graph = _file_graph(model, problems, attributes)
    for op in graph.ops:
        if op.index not in refusals and (reasons := list(definitions[op.kind].check(op, graph))):
            refusals[op.index] = reasons
    ports = _port_refusals(model, problems)
    if refusals or ports:
        raise AnvilError(*_explain(model, refusals, ports, supported, file))
    _check_shapes(graph, model, definitions)
    return _without_unused(graph)


def _file_graph(
    model: FileModel, problems: Mapping[int, str], attributes: Mapping[int, Hashable]
) -> Graph:
    """All tensors and operators, with the file's indices.

    Tensors with problems have placeholders: whatever uses them is refused.
    """
    tensors = [
        placeholder(tensor, name) if tensor.index in problems else as_tensor(tensor, name)
        for tensor, name in zip(model.tensors, unique_names(model.tensors), strict=True)
    ]
    ops = []
    for operator in model.operators:
        inputs = operator.inputs
        if operator.kind == "RESHAPE" and operator.outputs and inputs[1:] in {(), (ABSENT,)}:
            shape = new_shape(operator)
            inputs = (*inputs[:1], len(tensors))
            tensors.append(
                Tensor(
                    # No tensor of the file has such a name, since names are unique.
                    name=f"{tensors[operator.outputs[0]].name}/shape of op {operator.index}",
                    shape=(len(shape),),
                    dtype=DType.INT32,
                    data=struct.pack(f"<{len(shape)}i", *shape),
                )
            )
        ops.append(
            Op(
                index=operator.index,
                kind=operator.kind,
                inputs=inputs,
                outputs=operator.outputs,
                attributes=attributes.get(operator.index),
            )
        )
    return Graph(tensors=tuple(tensors), ops=tuple(ops), inputs=model.inputs, outputs=model.outputs)


def _port_refusals(model: FileModel, problems: Mapping[int, str]) -> list[str]:
    """What is wrong with the model's own inputs and outputs, one line each."""
    lines = []
    for label, indices in (("input", model.inputs), ("output", model.outputs)):
        for position, index in enumerate(indices):
            tensor = model.tensors[index]
            if index in problems:
                lines.append(f"{label} {position}: {problems[index]}")
            elif tensor.data is not None:
                lines.append(f"{label} {position}: {tensor.label} is a constant")
            elif label == "input" and any(extent < 0 for extent in tensor.signature[1:]):
                lines.append(
                    f"{label} {position}: {tensor.label} has the open shape "
                    f"{list(tensor.signature)}; only the first extent, the batch, may be open: "
                    "convert the model with a fixed shape"
                )
    return lines


def _explain(
    model: FileModel,
    refusals: Mapping[int, Sequence[str]],
    ports: Sequence[str],
    supported: AbstractSet[str],
    file: str,
) -> list[Diagnostic]:
    """The error that lists every refusal; before it, what is wrong with the whole model."""
    diagnostics = []
    whole = _unsupported_type(model)
    if whole is not None:
        diagnostics.append(
            Diagnostic(
                code="model.unsupported-type", message=whole, file=file, hint=_HOW_TO_CONVERT
            )
        )
        # Another conversion answers all reasons but this one.
        refusals = {
            operator.index: refusals[operator.index][:1]
            for operator in model.operators
            if operator.kind not in supported
        }
        ports = ()
        if not refusals:
            return diagnostics
    lines = [
        f"{operator.label}: {reason}"
        for operator in model.operators
        for reason in refusals.get(operator.index, ())
    ]
    summary = []
    if refusals:
        summary.append(f"{len(refusals)} of the model's {len(model.operators)} operators")
    if ports:
        summary.append(f"{len(ports)} of its inputs and outputs")
    verb = "is" if len(refusals) + len(ports) == 1 else "are"
    diagnostics.append(
        Diagnostic(
            code="model.unsupported",
            message="\n  ".join([f"{' and '.join(summary)} {verb} not supported:", *lines, *ports]),
            file=file,
            hint="supported are, in float32, int8 and int16: " + ", ".join(sorted(supported)),
        )
    )
    return diagnostics


def _unsupported_type(model: FileModel) -> str | None:
    """What the model as a whole computes in, where that is nothing that is built.

    An operator computes in the type of what it reads or writes at run time; QUANTIZE and
    DEQUANTIZE lead from one type to another and say nothing.
    """
    types: Counter[str] = Counter()
    n_operators = 0
    n_hybrid = 0
    for operator in model.operators:
        used = [model.tensors[i] for i in (*operator.inputs, *operator.outputs) if i != ABSENT]
        computed = {t.type_name for t in used if t.data is None} & set(_ACTIVATION_TYPES)
        if operator.kind in _CONVERSIONS:
            continue
        n_operators += 1
        types.update(computed)
        n_hybrid += computed == {"FLOAT32"} and any(
            t.data is not None and t.type_name == "INT8" for t in used
        )
    if n_hybrid:
        return (
            f"this is a float32 model with int8 weights (dynamic range quantization): {n_hybrid} "
            f"of its {n_operators} operators quantize what they read at run time, which is not "
            "supported"
        )
    if not types or types.keys() & _SUPPORTED_TYPES:
        return None
    name, count = types.most_common(1)[0]
    return (
        f"this is a {_ACTIVATION_TYPES[name]} model: {count} of its {n_operators} operators "
        f"compute in {_ACTIVATION_TYPES[name]}, and models in float32, int8 and int16 are built"
    )


def _check_shapes(
    graph: Graph, model: FileModel, definitions: Mapping[str, OperatorDefinition]
) -> None:
    """Raise where the file gives a tensor another shape than its operator computes."""
    for op in graph.ops:
        inferred = definitions[op.kind].infer_shapes(op, graph)
        for position, (index, shape) in enumerate(zip(op.outputs, inferred, strict=True)):
            tensor = model.tensors[index]
            if shape != tensor.shape:
                operator = model.operators[op.index]
                raise DamagedFileError(
                    path=f"{operator.path}.outputs[{position}]",
                    message=f"{operator.label} computes the shape {list(shape)}, and the file "
                    f"gives {tensor.label} the shape {list(tensor.shape)}",
                )


def _without_unused(graph: Graph) -> Graph:
    """The graph with only those tensors that something reads, writes or lists."""
    used = {*graph.inputs, *graph.outputs}
    for op in graph.ops:
        used.update(op.inputs, op.outputs)
    used.discard(ABSENT)
    kept = sorted(used)
    renumbered = {old: new for new, old in enumerate(kept)} | {ABSENT: ABSENT}
    return Graph(
        tensors=tuple(graph.tensors[index] for index in kept),
        ops=tuple(
            dataclasses.replace(
                op,
                inputs=tuple(renumbered[index] for index in op.inputs),
                outputs=tuple(renumbered[index] for index in op.outputs),
            )
            for op in graph.ops
        ),
        inputs=tuple(renumbered[index] for index in graph.inputs),
        outputs=tuple(renumbered[index] for index in graph.outputs),
    )
