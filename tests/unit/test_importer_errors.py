"""What the .tflite importer says of files that it cannot use, word by word."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import TYPE_CHECKING

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from anvil.core.attributes import Activation, ArithmeticAttributes, FullyConnectedAttributes
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.tensor import DType
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS, INTERNAL
from tests.support.failing_models import failing_models
from tests.support.graphs import one_op_graphs, small_network
from tests.support.tflite_builder import (
    activation,
    constant,
    model_object,
    one_op_graph,
    one_op_model,
    pack,
    tflite_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.graph import Graph
    from tests.support.tflite_builder import SchemaObject


def refused(content: bytes) -> tuple[Diagnostic, ...]:
    """What the importer says of a file that it must refuse."""
    with pytest.raises(AnvilError) as caught:
        import_tflite(content, "models/m.tflite", DEFINITIONS)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert all(diagnostic.file == "models/m.tflite" for diagnostic in caught.value.diagnostics)
    assert all(diagnostic.hint for diagnostic in caught.value.diagnostics)
    return caught.value.diagnostics


def refused_after(graph: Graph, change: Callable[[SchemaObject], None]) -> tuple[Diagnostic, ...]:
    """What the importer says of the file of `graph` after `change` of its schema object."""
    model = model_object(graph)
    change(model)
    return refused(pack(model))


def check(content: bytes, code: str, message: str, path: str | None = None) -> None:
    """The file is refused with this one diagnostic."""
    (diagnostic,) = refused(content)
    assert (diagnostic.code, diagnostic.message, diagnostic.path) == (code, message, path)


def check_corrupt(
    graph: Graph, change: Callable[[SchemaObject], None], path: str, message: str
) -> None:
    """The changed file is refused for what stands at `path`."""
    (diagnostic,) = refused_after(graph, change)
    assert diagnostic.code == "model.corrupt"
    assert diagnostic.path == path
    assert diagnostic.message == f"the model contradicts itself: {path}: {message}"


def check_unsupported(graph: Graph, change: Callable[[SchemaObject], None], *lines: str) -> None:
    """The changed file is refused with one error of these lines."""
    (diagnostic,) = refused_after(graph, change)
    assert diagnostic.code == "model.unsupported"
    assert diagnostic.message.split("\n  ") == list(lines)


# Files of other kinds


def zip_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (zip_archive(), "it looks like a ZIP archive, such as a .keras model"),
        (b"\x89HDF\r\n\x1a\n" + bytes(8), "it looks like an HDF5 file, such as a .h5 model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "it looks like a PNG image"),
        (b'{"layers": []}', "it looks like JSON text"),
        (b"<!DOCTYPE html><title>Not found</title>", "it looks like an HTML or XML page"),
        (b"\x08\x0a\x12\x07pytorch\x1a", "it looks like an ONNX model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "it looks like a Git LFS pointer: `git lfs pull` fetches the file itself",
        ),
        (b"name: digits\nlayers: 3\n", "it looks like a text file"),
        (bytes(100), "it looks like a file of zero bytes only"),
        (b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", r"found b'\xfb\xfa\xf9\xf8'"),
        (b"\x1c\0\0\0TFL2" + bytes(100), "found b'TFL2'"),
        (b"\x1c\0\0\0T", "it ends after 5 bytes"),
    ],
)
def test_another_kind_of_file(content: bytes, found: str) -> None:
    expected = "this is not a .tflite model: expected the identifier TFL3 at byte 4, "
    check(content, "model.not-tflite", expected + found)


def test_an_empty_file() -> None:
    check(b"", "model.empty", "the model is an empty file (0 bytes)")


# Damaged files


def test_a_file_that_ends_after_its_identifier() -> None:
    content = tflite_bytes(small_network())
    root = int.from_bytes(content[:4], "little")
    place = "the outermost table"
    check(
        content[:8],
        "model.corrupt",
        f"the model contradicts itself: {place}: needs the bytes {root} to {root + 4}, "
        "and the file has 8",
        place,
    )


def test_every_truncation_is_refused() -> None:
    content = tflite_bytes(small_network())
    for n_bytes in range(8, len(content) - 8):
        (diagnostic,) = refused(content[:n_bytes])
        assert diagnostic.code == "model.corrupt"


def test_an_out_of_range_buffer() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[1].buffer = 1_000_000

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].tensors[1].buffer",
        "tensor 1 'weights' names buffer 1000000, and there are 5",
    )


@pytest.mark.parametrize("index", [99, -2, 2**31 - 1])
def test_an_out_of_range_tensor_of_an_operator(index: int) -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].inputs = [0, index, 2]

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].operators[0].inputs[1]",
        f"names tensor {index}, and there are 4",
    )


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_an_out_of_range_tensor_of_the_model(field: str) -> None:
    def change(model: SchemaObject) -> None:
        setattr(model.subgraphs[0], field, [0, 4])

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        f"subgraphs[0].{field}[1]",
        "names tensor 4, and there are 4",
    )


def test_an_output_of_an_operator_cannot_be_absent() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].outputs = [-1]

    check_corrupt(
        one_op_graphs()["RELU"],
        change,
        "subgraphs[0].operators[0].outputs[0]",
        "names tensor -1, and there are 2",
    )


def test_an_out_of_range_operator_code() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].opcodeIndex = 7

    check_corrupt(
        one_op_graphs()["RELU"],
        change,
        "subgraphs[0].operators[0].opcode_index",
        "names operator code 7, and there are 1",
    )


def test_another_version() -> None:
    def change(model: SchemaObject) -> None:
        model.version = 4

    check_corrupt(
        one_op_graphs()["RELU"], change, "version", "is 4, and the format's only one is 3"
    )


def test_no_subgraph() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs = []

    check_corrupt(
        one_op_graphs()["RELU"], change, "subgraphs", "there is none, and so nothing to run"
    )


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_no_input_or_output(field: str) -> None:
    def change(model: SchemaObject) -> None:
        setattr(model.subgraphs[0], field, [])

    check_corrupt(
        one_op_graphs()["MUL"],
        change,
        f"subgraphs[0].{field}",
        f"the model has no {field.removesuffix('s')}",
    )


def test_a_buffer_of_another_size_than_its_tensor() -> None:
    def change(model: SchemaObject) -> None:
        model.buffers[2].data = model.buffers[2].data[:-1]

    check_corrupt(
        one_op_graphs()["FULLY_CONNECTED"],
        change,
        "subgraphs[0].tensors[1].buffer",
        "tensor 1 'weights' of shape [3, 5] and type int8 has 15 bytes, and its buffer holds 14",
    )


def test_a_buffer_that_lies_behind_the_file() -> None:
    def change(model: SchemaObject) -> None:
        model.buffers[2].data, model.buffers[2].offset, model.buffers[2].size = None, 2**40, 15

    (diagnostic,) = refused_after(one_op_graphs()["FULLY_CONNECTED"], change)
    assert (diagnostic.code, diagnostic.path) == ("model.corrupt", "buffers[2].offset")
    assert "needs the bytes 1099511627776 to 1099511627791, and the file has" in diagnostic.message


def test_a_tensor_that_is_read_before_it_is_written() -> None:
    def change(model: SchemaObject) -> None:
        operators = model.subgraphs[0].operators
        operators[0], operators[1] = operators[1], operators[0]

    check_corrupt(
        small_network(),
        change,
        "subgraphs[0].operators[0].inputs[0]",
        "op 0 CONV_2D reads tensor 1 'quantized' before anything wrote it",
    )


def test_a_tensor_that_is_written_twice() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[2].outputs = [1]

    check_corrupt(
        small_network(),
        change,
        "subgraphs[0].operators[2].outputs[0]",
        "op 2 MAX_POOL_2D writes tensor 1 'quantized', which has a value already",
    )


def test_an_output_that_nothing_writes() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators.pop()

    check_corrupt(
        small_network(), change, "subgraphs[0].outputs[0]", "nothing writes tensor 11 'real'"
    )


def test_an_input_that_is_a_constant() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].inputs = [0, 1]

    check_corrupt(
        one_op_graphs()["MUL"], change, "subgraphs[0].inputs[1]", "tensor 1 'factor' is a constant"
    )


def test_an_input_that_is_listed_twice() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].inputs = [0, 0]

    check_corrupt(
        one_op_graphs()["RELU"], change, "subgraphs[0].inputs[1]", "tensor 0 'row' is listed twice"
    )


def test_too_few_inputs() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].inputs = [0]

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].operators[0]",
        "op 0 CONV_2D has 1 inputs and 1 outputs, expected 2 to 3 and 1",
    )


@pytest.mark.parametrize("kind", ["ADD", "CONCATENATION"])
def test_an_input_that_must_be_given(kind: str) -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].inputs = [0, -1]

    check_corrupt(
        one_op_graphs()[kind],
        change,
        "subgraphs[0].operators[0].inputs[1]",
        f"op 0 {kind} lacks its input 1",
    )


def test_options_of_another_operator() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].builtinOptionsType = schema.BuiltinOptions.AddOptions

    check_corrupt(
        one_op_graphs()["SOFTMAX"],
        change,
        "subgraphs[0].operators[0].builtin_options",
        "op 0 SOFTMAX needs the options SOFTMAX (type 9), found type 11",
    )


@pytest.mark.parametrize(
    ("field", "value", "name", "message"),
    [
        ("strideH", 0, "stride_h", "is 0, expected at least 1"),
        ("strideW", -1, "stride_w", "is -1, expected at least 1"),
        ("dilationHFactor", 0, "dilation_h_factor", "is 0, expected at least 1"),
        ("padding", 2, "padding", "is 2, expected 0 to 1"),
        (
            "fusedActivationFunction",
            -1,
            "fused_activation_function",
            "is -1, expected 0 to 5",
        ),
    ],
)
def test_options_out_of_range(field: str, value: int, name: str, message: str) -> None:
    def change(model: SchemaObject) -> None:
        setattr(model.subgraphs[0].operators[0].builtinOptions, field, value)

    path = f"subgraphs[0].operators[0].builtin_options.{name}"
    check_corrupt(one_op_graphs()["CONV_2D"], change, path, message)


@pytest.mark.parametrize("beta", [float("nan"), float("inf")])
def test_a_real_option_that_is_no_number(beta: float) -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].builtinOptions.beta = beta

    check_corrupt(
        one_op_graphs()["SOFTMAX"],
        change,
        "subgraphs[0].operators[0].builtin_options.beta",
        f"is {beta}, expected a number",
    )


def test_too_many_inputs() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].inputs = [0, 0]

    check_corrupt(
        one_op_graphs()["LOGISTIC"],
        change,
        "subgraphs[0].operators[0]",
        "op 0 LOGISTIC has 2 inputs and 1 outputs, expected 1 and 1",
    )


def test_a_reshape_without_a_new_shape() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].inputs = [0]

    check_corrupt(
        one_op_graphs()["RESHAPE"],
        change,
        "subgraphs[0].operators[0]",
        "op 0 RESHAPE has its new shape neither as an input nor in its options",
    )


def test_scales_without_zero_points() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[1].quantization.zeroPoint = [0]

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].tensors[1].quantization",
        "there are 3 scales and 1 zero points",
    )


@pytest.mark.parametrize("axis", [4, -1])
def test_scales_of_an_axis_that_does_not_exist(axis: int) -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[1].quantization.quantizedDimension = axis

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].tensors[1].quantization.quantized_dimension",
        f"is {axis}, and the tensor has the shape [3, 2, 4, 2]",
    )


def test_one_scale_of_an_axis_that_does_not_exist() -> None:
    """TFLite refuses it, although one scale needs no axis."""

    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[0].quantization.quantizedDimension = 2

    check_corrupt(
        one_op_graphs()["RELU"],
        change,
        "subgraphs[0].tensors[0].quantization.quantized_dimension",
        "is 2, and the tensor has the shape [2, 5]",
    )


def test_more_scales_than_channels() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[1].quantization.quantizedDimension = 1

    check_corrupt(
        one_op_graphs()["CONV_2D"],
        change,
        "subgraphs[0].tensors[1].quantization.scale",
        "there are 3 scales for axis 1 of the shape [3, 2, 4, 2]",
    )


def change_output_shape(model: SchemaObject) -> None:
    """CONV_2D's output is [1, 5, 1, 3]."""
    model.subgraphs[0].tensors[3].shape = [1, 5, 2, 3]


def test_a_shape_that_the_operator_does_not_compute() -> None:
    (diagnostic,) = refused_after(one_op_graphs()["CONV_2D"], change_output_shape)
    assert diagnostic.message.startswith("1 of the model's 1 operators is not supported:\n  op 0")
    assert "[1, 5, 1, 3]" in diagnostic.message
    assert "[1, 5, 2, 3]" in diagnostic.message


def test_a_shape_that_a_definition_leaves_to_the_importer() -> None:
    model = model_object(one_op_graphs()["CONV_2D"])
    change_output_shape(model)
    lenient = dataclasses.replace(DEFINITIONS["CONV_2D"], check=lambda _op, _graph: ())
    with pytest.raises(AnvilError) as caught:
        import_tflite(pack(model), "m.tflite", {"CONV_2D": lenient})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "model.corrupt"
    assert diagnostic.message == (
        "the model contradicts itself: subgraphs[0].operators[0].outputs[0]: "
        "op 0 CONV_2D computes the shape [1, 5, 1, 3], "
        "and the file gives tensor 3 'result' the shape [1, 5, 2, 3]"
    )


def test_a_shape_of_many_dimensions() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[0].shape = [2**31 - 1] * 10_000

    check_corrupt(
        one_op_graphs()["RELU"],
        change,
        "subgraphs[0].tensors[0].shape",
        "has 10000 dimensions, and at most 8 make sense",
    )


def test_a_name_that_is_not_text() -> None:
    """LiteRT's Python interpreter cannot read it either."""
    content = tflite_bytes(one_op_graphs()["RELU"])
    place = "subgraphs[0].tensors[0].name"
    for damaged, message in (
        (content.replace(b"row\0", b"r\xffw\0"), r"is not UTF-8: b'r\xffw'"),
        (content.replace(b"row\0", b"rows"), "does not end where its length says"),
    ):
        check(
            damaged,
            "model.corrupt",
            f"the model contradicts itself: {place}: {message}",
            place,
        )


def test_a_long_name_is_cut_in_messages() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[0].name = "n" * 100_000
        model.subgraphs[0].tensors[0].isVariable = True

    (diagnostic,) = refused_after(one_op_graphs()["RELU"], change)
    assert len(diagnostic.message) < 1000


def test_parts_that_overlap_endlessly() -> None:
    """A small file whose tensors all share one table, so that reading it is quadratic."""
    builder = flatbuffers.Builder(1024)
    n_shared = 20_000
    name = builder.CreateString("n" * n_shared)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, n_shared)
    for _ in range(n_shared):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    subgraph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(subgraph)
    subgraphs = builder.EndVector()
    schema.BufferStart(builder)
    buffer = schema.BufferEnd(builder)
    schema.ModelStartBuffersVector(builder, 1)
    builder.PrependUOffsetTRelative(buffer)
    buffers = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    (diagnostic,) = refused(bytes(builder.Output()))
    assert diagnostic.code == "model.corrupt"
    assert diagnostic.message.endswith("the file's parts overlap over and over again")


# Models that are not supported


def test_all_operators_that_are_not_supported_are_one_error() -> None:
    def change(model: SchemaObject) -> None:
        model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[0].customCode = "TFLite_Detection"
        model.operatorCodes[2].builtinCode = schema.BuiltinOperator.STABLEHLO_ADD
        model.operatorCodes[2].deprecatedBuiltinCode = 127
        model.operatorCodes[3].builtinCode = 4000

    check_unsupported(
        small_network(),
        change,
        "3 of the model's 7 operators are not supported:",
        "op 0 CUSTOM 'TFLite_Detection': operators of this kind are not supported",
        "op 2 STABLEHLO_ADD: operators of this kind are not supported",
        "op 3 BUILTIN_4000: operators of this kind are not supported",
    )


def test_the_hint_lists_what_is_supported() -> None:
    x = activation("x", (2, 3), scale=0.5)
    content = one_op_model("ELU", [x], [activation("y", (2, 3), scale=0.5)])
    (diagnostic,) = refused(content)
    assert diagnostic.hint == "supported are, in float32, int8 and int16: " + ", ".join(
        sorted(set(DEFINITIONS) - INTERNAL)
    )
    assert diagnostic.message == (
        "1 of the model's 1 operators is not supported:\n"
        "  op 0 ELU: operators of this kind are not supported"
    )


def test_an_operator_says_what_it_does_not_support() -> None:
    x = activation("x", (2, 3), scale=0.5)
    y = activation("y", (2, 3), dtype=DType.INT16, scale=0.5)
    attributes = ArithmeticAttributes(activation=Activation.NONE)
    (diagnostic,) = refused(one_op_model("ADD", [x, x], [y], attributes))
    assert diagnostic.code == "model.unsupported"
    assert "\n  op 0 ADD: " in diagnostic.message
    assert "int16" in diagnostic.message


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("type", schema.TensorType.STRING, "has the element type STRING"),
        ("type", schema.TensorType.INT4, "has the element type INT4"),
        ("type", 99, "has the element type 99"),
        ("isVariable", True, "is a variable, and models that keep state are not supported"),
        ("externalBuffer", 1, "has its values in another file"),
        (
            "sparsity",
            schema.SparsityParametersT(),
            "is stored as a sparse matrix; convert the model without sparsity",
        ),
        ("shape", [2, -1], "has an extent that is known only at run time, shape [2, -1]"),
        ("shape", [2, 0], "has no elements, shape [2, 0]"),
        (
            "shape",
            [65535, 65535, 65535],
            "of shape [65535, 65535, 65535] takes 281462092005375 bytes, at most 2147483647 can be",
        ),
    ],
)
def test_a_tensor_that_cannot_be_used(field: str, value: object, reason: str) -> None:
    def change(model: SchemaObject) -> None:
        setattr(model.subgraphs[0].tensors[0], field, value)

    check_unsupported(
        one_op_graphs()["RELU"],
        change,
        "1 of the model's 1 operators and 1 of its inputs and outputs are not supported:",
        f"op 0 RELU: tensor 0 'row' {reason}",
        f"input 0: tensor 0 'row' {reason}",
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("scale", [0.0], "has the scale 0, expected a positive number"),
        ("scale", [-0.5], "has the scale -0.5, expected a positive number"),
        ("scale", [float("nan")], "has the scale nan, expected a positive number"),
        ("scale", [float("inf")], "has the scale inf, expected a positive number"),
        ("zeroPoint", [128], "has the zero point 128, expected -128 to 127"),
        ("zeroPoint", [-(2**63)], f"has the zero point {-(2**63)}, expected -128 to 127"),
    ],
)
def test_a_quantization_that_cannot_be_used(field: str, value: object, reason: str) -> None:
    def change(model: SchemaObject) -> None:
        setattr(model.subgraphs[0].tensors[1].quantization, field, value)

    check_unsupported(
        one_op_graphs()["MUL"],
        change,
        "1 of the model's 1 operators is not supported:",
        f"op 0 MUL: tensor 1 'factor' {reason}",
    )


def test_blockwise_quantization() -> None:
    def change(model: SchemaObject) -> None:
        quantization = model.subgraphs[0].tensors[1].quantization
        quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
        quantization.details = schema.BlockwiseQuantizationT()

    check_unsupported(
        one_op_graphs()["MUL"],
        change,
        "1 of the model's 1 operators is not supported:",
        "op 0 MUL: tensor 1 'factor' is quantized in another way than by scales and zero points",
    )


def test_an_activation_that_cannot_be_fused() -> None:
    def change(model: SchemaObject) -> None:
        options = model.subgraphs[0].operators[0].builtinOptions
        options.fusedActivationFunction = schema.ActivationFunctionType.TANH

    check_unsupported(
        one_op_graphs()["CONV_2D"],
        change,
        "1 of the model's 1 operators is not supported:",
        "op 0 CONV_2D: its fused activation is TANH, supported are NONE, RELU, RELU_N1_TO_1, RELU6",
    )


@pytest.mark.parametrize("version", [0, 9])
def test_a_version_of_an_operator_that_is_not_known(version: int) -> None:
    def change(model: SchemaObject) -> None:
        model.operatorCodes[0].version = version

    check_unsupported(
        one_op_graphs()["CONV_2D"],
        change,
        "1 of the model's 1 operators is not supported:",
        f"op 0 CONV_2D: it is version {version} of its kind, known are 1 to 8",
    )


def test_shuffled_weights() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].builtinOptions.weightsFormat = 1

    check_unsupported(
        one_op_graphs()["FULLY_CONNECTED"],
        change,
        "1 of the model's 1 operators is not supported:",
        "op 0 FULLY_CONNECTED: its weights are laid out as SHUFFLED4x16INT8, "
        "only DEFAULT is supported",
    )


def test_a_bias_declared_as_no_integer_of_its_kind() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].builtinOptions.quantizedBiasType = schema.TensorType.INT8

    check_unsupported(
        one_op_graphs()["FULLY_CONNECTED"],
        change,
        "1 of the model's 1 operators is not supported:",
        "op 0 FULLY_CONNECTED: its bias is declared to be of type 9; "
        "int32 (2), int64 (4) and nothing (0) are supported",
    )


def test_an_output_that_is_a_constant() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].outputs = [2, 1]

    check_unsupported(
        one_op_graphs()["MUL"],
        change,
        "1 of its inputs and outputs is not supported:",
        "output 1: tensor 1 'factor' is a constant",
    )


# Models in types that are not built


def float_graph() -> Graph:
    """A fully connected layer in float32."""
    weights = constant("weights", np.ones((3, 5), np.float32))
    x = activation("x", (1, 5), dtype=DType.FLOAT32, scale=None)
    y = activation("y", (1, 3), dtype=DType.FLOAT32, scale=None)
    attributes = FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False)
    return one_op_graph("FULLY_CONNECTED", [x, weights, None], [y], attributes)


def test_a_model_of_double_precision() -> None:
    graph = float_graph()
    x, _, y = graph.tensors
    tensors = (
        dataclasses.replace(x, dtype=DType.FLOAT64),
        constant("weights", np.ones((3, 5), np.float64)),
        dataclasses.replace(y, dtype=DType.FLOAT64),
    )
    (diagnostic,) = refused(tflite_bytes(dataclasses.replace(graph, tensors=tensors)))
    assert diagnostic.code == "model.unsupported-type"
    assert diagnostic.message == (
        "this is a float64 model: 1 of its 1 operators compute in float64, "
        "and models in float32, int8 and int16 are built"
    )
    assert diagnostic.hint is not None
    assert "TFLITE_BUILTINS_INT8" in diagnostic.hint


def test_another_type_with_an_operator_that_conversion_would_not_help() -> None:
    x = activation("x", (1, 5), dtype=DType.FLOAT64, scale=None)
    y = activation("y", (1, 5), dtype=DType.FLOAT64, scale=None)
    of_type, unsupported = refused(one_op_model("ELU", [x], [y]))
    assert (of_type.code, unsupported.code) == ("model.unsupported-type", "model.unsupported")
    assert "op 0 ELU" in unsupported.message


@pytest.mark.parametrize("signature", [[-1, 5], [1, -1], [-1, -1]])
def test_only_the_batch_may_be_open(signature: list[int]) -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[0].shapeSignature = signature

    if signature[1] == 5:
        model = model_object(float_graph())
        change(model)
        graph = import_tflite(pack(model), "m.tflite", DEFINITIONS)
        assert graph.tensors[graph.inputs[0]].shape == (1, 5)
        return
    (diagnostic,) = refused_after(float_graph(), change)
    assert f"has the open shape {signature}; only the first extent" in diagnostic.message


def test_a_model_with_int8_weights_only() -> None:
    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[1].type = schema.TensorType.INT8
        model.buffers[2].data = np.ones(15, np.uint8)

    (diagnostic,) = refused_after(float_graph(), change)
    assert diagnostic.message == (
        "this is a float32 model with int8 weights (dynamic range quantization): 1 of its 1 "
        "operators quantize what they read at run time, which is not supported"
    )


def test_a_uint8_model() -> None:
    x = activation("x", (2, 3), dtype=DType.UINT8, scale=0.5, zero_point=128)
    y = activation("y", (2, 3), dtype=DType.UINT8, scale=0.5, zero_point=128)
    (diagnostic,) = refused(one_op_model("RELU", [x], [y]))
    assert diagnostic.code == "model.unsupported-type"
    assert diagnostic.message.startswith("this is a uint8 model: 1 of its 1 operators compute")


def test_a_real_model_with_int8_weights_only(shared_model: Callable[[str], Path]) -> None:
    (diagnostic,) = refused(shared_model("kws.float32.tflite").read_bytes())
    assert diagnostic.code == "model.unsupported-type"
    assert diagnostic.message.startswith("this is a float32 model with int8 weights")


@pytest.mark.parametrize("name", sorted(failing_models()))
def test_the_cases_that_every_command_must_survive(name: str) -> None:
    case = failing_models()[name]
    (diagnostic,) = refused(case.content)
    assert diagnostic.code == case.code
    assert case.message in diagnostic.message
