"""What the .tflite importer reads: each operator, each notation of the format, real models."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from anvil.core.attributes import Activation, ArithmeticAttributes
from anvil.core.graph import Graph
from anvil.core.tensor import DType
from anvil.importers.schema import BUILTIN_OPERATORS, TENSOR_TYPES, OptionsType
from anvil.importers.tflite import import_tflite
from anvil.importers.tflite_options import ROWS
from anvil.ops.registry import DEFINITIONS, INTERNAL
from tests.support.graphs import one_op_graphs, small_network
from tests.support.tflite_builder import (
    activation,
    constant,
    model_object,
    one_op_graph,
    pack,
    random_array,
    run_reference,
    tflite_bytes,
)
from tests.support.weighted_cases import conv_case, fully_connected_case
from tests.support.window_cases import Windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.tflite_builder import SchemaObject


def imported(content: bytes) -> Graph:
    return import_tflite(content, "model.tflite", DEFINITIONS)


def changed(graph: Graph, change: Callable[[SchemaObject], None]) -> bytes:
    """The file of `graph` after `change` of its schema object."""
    model = model_object(graph)
    change(model)
    return pack(model)


@pytest.mark.parametrize("kind", sorted(one_op_graphs()))
def test_each_operator_comes_back_as_it_was_built(kind: str) -> None:
    graph = one_op_graphs()[kind]
    assert imported(tflite_bytes(graph)) == graph


@pytest.mark.parametrize("flavour", ["int16", "int16_32", "float32"])
def test_operators_with_weights_come_back_in_every_type(flavour: str) -> None:
    windows = Windows(image=(4, 4), filter=(3, 3))
    for case in (
        conv_case(flavour, windows, (2, 2, 3)),
        fully_connected_case(flavour, (2, 4), (3, 4)),
    ):
        graph = imported(tflite_bytes(case.graph))
        assert graph.ops == case.graph.ops
        for read, built in zip(graph.tensors, case.graph.tensors, strict=True):
            # Nothing asks for the scales of an int64 bias.
            assert read == built or (read.dtype, read.data) == (DType.INT64, built.data)


@pytest.mark.parametrize("kind", sorted(one_op_graphs()))
def test_the_models_of_these_tests_run_in_tflite(kind: str) -> None:
    graph = one_op_graphs()[kind]
    rng = np.random.default_rng(0)
    inputs = [random_array(graph.tensors[index], rng) for index in graph.inputs]
    (output,) = run_reference(tflite_bytes(graph), inputs)
    assert output.shape == graph.tensors[graph.outputs[0]].shape


@pytest.mark.parametrize("kind", sorted(one_op_graphs()))
def test_the_newest_version_is_that_of_tflite(kind: str) -> None:
    graph = one_op_graphs()[kind]
    inputs = [random_array(graph.tensors[i], np.random.default_rng(0)) for i in graph.inputs]

    def at_version(version: int) -> bytes:
        model = model_object(graph)
        model.operatorCodes[0].version = version
        return pack(model)

    newest = ROWS[kind].newest
    assert imported(at_version(newest)) == graph
    run_reference(at_version(newest), inputs)
    with pytest.raises((ValueError, RuntimeError), match="Didn't find op"):
        run_reference(at_version(newest + 1), inputs)


def test_a_network_comes_back_as_it_was_built() -> None:
    graph = small_network()
    assert imported(tflite_bytes(graph)) == graph


def test_every_defined_operator_can_be_imported() -> None:
    assert set(DEFINITIONS) - INTERNAL == set(ROWS)


def test_names_and_numbers_are_those_of_the_published_schema() -> None:
    assert _numbered(schema.BuiltinOperator) == list(enumerate(BUILTIN_OPERATORS))
    assert _numbered(schema.TensorType) == list(enumerate(TENSOR_TYPES))
    published = dict(_numbered(schema.BuiltinOptions))
    ours = {option.value: option.name.replace("_", "") for option in OptionsType}
    assert ours == {number: published[number].removesuffix("Options").upper() for number in ours}


def _numbered(names: type) -> list[tuple[int, str]]:
    return sorted((v, k) for k, v in vars(names).items() if isinstance(v, int))


def test_scales_are_the_files_float32_exactly() -> None:
    graph = imported(tflite_bytes(one_op_graphs()["CONV_2D"]))
    quantization = graph.tensors[1].quantization
    assert quantization is not None
    expected = [0.01 * (channel + 1) for channel in range(3)]
    assert [struct.pack("<f", s) for s in quantization.scales] == [
        np.float32(s).tobytes() for s in expected
    ]
    assert all(float(np.float32(scale)) == scale for scale in quantization.scales)


def test_an_old_file_has_only_the_one_byte_operator_code() -> None:
    graph = small_network()

    def age(model: SchemaObject) -> None:
        for code in model.operatorCodes:
            code.builtinCode = 0

    assert imported(changed(graph, age)) == graph


def test_a_dynamic_batch_is_one() -> None:
    graph = one_op_graphs()["SOFTMAX"]

    def open_batch(model: SchemaObject) -> None:
        for tensor in model.subgraphs[0].tensors:
            tensor.shapeSignature = [-1, *tensor.shape[1:]]

    assert imported(changed(graph, open_batch)) == graph


def test_tensors_that_nothing_uses_are_left_out() -> None:
    graph = one_op_graphs()["RELU"]

    def add_unused(model: SchemaObject) -> None:
        unused = schema.TensorT()
        unused.name, unused.shape, unused.type = "left over", [3], schema.TensorType.STRING
        model.subgraphs[0].tensors.insert(1, unused)
        model.subgraphs[0].operators[0].outputs = [2]
        model.subgraphs[0].outputs = [2]

    assert imported(changed(graph, add_unused)) == graph


def test_names_become_unique_and_printable() -> None:
    x = activation("x", (2, 2), scale=0.5)
    graph = one_op_graph(
        "ADD",
        [x, activation("x", (2, 2), scale=0.5)],
        [activation("*/\n\x1b[31m", (2, 2), scale=0.5)],
        ArithmeticAttributes(activation=Activation.NONE),
    )
    names = [tensor.name for tensor in imported(tflite_bytes(graph)).tensors]
    assert names == ["x", "x_2", "*/\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31m"]


def test_a_tensor_without_a_name_gets_one() -> None:
    def remove_name(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[0].name = None
        model.subgraphs[0].tensors[1].name = "tensor_0"

    names = [t.name for t in imported(changed(one_op_graphs()["RELU"], remove_name)).tensors]
    assert names == ["tensor_0_2", "tensor_0"]


@pytest.mark.parametrize(
    ("source", "written", "meant", "result"),
    [
        ((2, 6), [3, -1], (3, -1), (3, 4)),
        ((1, 1), [0], (), ()),  # how older converters wrote a scalar
    ],
)
def test_a_reshape_may_have_its_shape_in_its_options(
    source: tuple[int, ...],
    written: list[int],
    meant: tuple[int, ...],
    result: tuple[int, ...],
) -> None:
    x = activation("x", source, scale=0.5)
    graph = one_op_graph("RESHAPE", [x], [activation("y", result, scale=0.5)])

    def set_options(model: SchemaObject) -> None:
        operator = model.subgraphs[0].operators[0]
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = written

    content = changed(graph, set_options)
    back = imported(content)
    (op,) = back.ops
    shape = back.tensors[op.inputs[1]]
    assert (shape.dtype, shape.data) == (DType.INT32, struct.pack(f"<{len(meant)}i", *meant))
    values = random_array(x, np.random.default_rng(0))
    assert run_reference(content, [values])[0].shape == back.tensors[op.outputs[0]].shape


def test_a_biass_own_scales_may_be_unusable() -> None:
    """TFLite computes them from the input's and the weights'."""
    graph = one_op_graphs()["CONV_2D"]

    def change(model: SchemaObject) -> None:
        model.subgraphs[0].tensors[2].quantization.scale = [0.0, -1.0, 0.0]

    content = changed(graph, change)
    assert imported(content).tensors[2].quantization is None
    values = random_array(graph.tensors[0], np.random.default_rng(1))
    assert np.array_equal(
        run_reference(content, [values])[0], run_reference(tflite_bytes(graph), [values])[0]
    )


def test_options_that_are_all_defaults_may_be_missing() -> None:
    graph = one_op_graphs()["MUL"]

    def drop_options(model: SchemaObject) -> None:
        model.subgraphs[0].operators[0].builtinOptions = None
        model.subgraphs[0].operators[0].builtinOptionsType = schema.BuiltinOptions.NONE

    content = changed(graph, drop_options)
    assert imported(content) == graph
    values = random_array(graph.tensors[0], np.random.default_rng(1))
    assert np.array_equal(
        run_reference(content, [values])[0], run_reference(tflite_bytes(graph), [values])[0]
    )


def test_a_buffer_may_lie_behind_the_flatbuffer() -> None:
    """Files over 2 GiB keep their weights there; TFLite reads a small one the same way."""
    graph = one_op_graphs()["FULLY_CONNECTED"]
    weights = graph.tensors[1].data
    assert weights is not None

    def with_offset(offset: int) -> bytes:
        model = model_object(graph)
        buffer = model.buffers[2]
        buffer.data, buffer.offset, buffer.size = None, offset, len(weights)
        return pack(model)

    flatbuffer_bytes = len(with_offset(2))
    padding = -flatbuffer_bytes % 16
    content = with_offset(flatbuffer_bytes + padding) + bytes(padding) + weights
    assert imported(content) == graph
    values = random_array(graph.tensors[0], np.random.default_rng(1))
    assert np.array_equal(
        run_reference(content, [values])[0], run_reference(tflite_bytes(graph), [values])[0]
    )


def test_tensors_may_share_a_buffer() -> None:
    x = activation("x", (2, 2), scale=0.5)
    a = constant("a", np.array([[1, 2], [3, 4]], np.int8), scales=[0.5])
    b = constant("b", np.array([[1, 2], [3, 4]], np.int8), scales=[0.25])
    attributes = ArithmeticAttributes(activation=Activation.NONE)
    graph = one_op_graph("ADD", [x, a], [activation("y", (2, 2), scale=0.5)], attributes)
    second = one_op_graph("MUL", [x, b], [activation("z", (2, 2), scale=0.5)], attributes)

    def share(model: SchemaObject) -> None:
        other = model_object(second)
        subgraph = model.subgraphs[0]
        shared, result = other.subgraphs[0].tensors[1:]
        shared.buffer, result.buffer = 2, 0
        subgraph.tensors += [shared, result]
        model.operatorCodes += other.operatorCodes
        (operator,) = other.subgraphs[0].operators
        operator.opcodeIndex, operator.inputs, operator.outputs = 1, [0, 3], [4]
        subgraph.operators.append(operator)
        subgraph.outputs = [2, 4]

    result = imported(changed(graph, share))
    assert result.tensors[1].data == result.tensors[3].data == a.data
    assert [op.kind for op in result.ops] == ["ADD", "MUL"]


def test_an_input_may_be_an_output_and_an_output_be_listed_twice() -> None:
    graph = one_op_graphs()["RELU"]

    def list_more(model: SchemaObject) -> None:
        model.subgraphs[0].outputs = [1, 0, 1]

    assert imported(changed(graph, list_more)).outputs == (1, 0, 1)


def test_only_the_first_subgraph_is_read() -> None:
    graph = one_op_graphs()["RELU"]

    def add_subgraph(model: SchemaObject) -> None:
        model.subgraphs += model_object(small_network()).subgraphs

    assert imported(changed(graph, add_subgraph)) == graph


@pytest.mark.parametrize(
    ("name", "sizes", "shapes"),
    [
        ("ad", (10, 31), [(1, 640), (1, 640)]),
        ("ic", (16, 38), [(1, 32, 32, 3), (1, 10)]),
        ("kws", (13, 35), [(1, 49, 10, 1), (1, 12)]),
        ("sww", (11, 31), [(1, 30, 1, 40), (1, 3)]),
        ("vww", (31, 89), [(1, 96, 96, 3), (1, 2)]),
    ],
)
def test_real_models_are_imported_whole(
    name: str,
    sizes: tuple[int, int],
    shapes: list[tuple[int, ...]],
    shared_model: Callable[[str], Path],
) -> None:
    content = shared_model(f"{name}.int8.tflite").read_bytes()
    graph = imported(content)
    assert (len(graph.ops), len(graph.tensors)) == sizes
    assert [graph.tensors[i].shape for i in (*graph.inputs, *graph.outputs)] == shapes
    # Built again from the graph, the file still computes the same.
    rng = np.random.default_rng(5)
    values = random_array(graph.tensors[graph.inputs[0]], rng)
    expected = run_reference(content, [values])
    assert np.array_equal(run_reference(tflite_bytes(graph), [values])[0], expected[0])
