"""Valid models that nobody would think of, on every target, byte for byte.

Each is built under a project name that is unusual, too: names become C symbols, files,
build targets and archive members.
"""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Activation, ArithmeticAttributes, MeanAttributes
from tests.support.cli import anvil, write_project
from tests.support.graphs import one_op_graphs
from tests.support.networks import (
    Network,
    concatenation_attributes,
    convolution_attributes,
    pool_attributes,
    random_network,
)
from tests.support.programs import require_program
from tests.support.tflite_builder import tflite_bytes

if TYPE_CHECKING:
    from anvil.core.graph import Graph

_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
_EMULATORS = ("qemu-system-arm", "qemu-aarch64", "node")
_ADD = ArithmeticAttributes(activation=Activation.NONE)


def check(folder: Path, graph: Graph, *, name: str) -> Path:
    """Every target gives the reference's bytes; the project's folder."""
    for program in _EMULATORS:
        require_program(program)
    project = write_project(folder, "model.tflite", name=name)
    (project / "model.tflite").write_bytes(tflite_bytes(graph))
    verified = anvil("verify", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    assert verified.statuses() == dict.fromkeys(_TARGETS, "passed")
    for row in verified.document()["targets"]:
        assert row["comparison"]["outputs"] == 19 * len(graph.outputs)
        assert row["comparison"]["different_outputs"] == 0
    return project


def plan_of(project: Path, target: str) -> dict[str, object]:
    plan: dict[str, object] = json.loads((project / "build" / target / "plan.json").read_bytes())
    return plan


def test_inputs_and_outputs_that_are_each_other(tmp_path: Path) -> None:
    net = Network(seed=1)
    first = net.input((2, 6))
    second = net.input((3, 4))
    unused = net.input((7,))
    reshaped_input = net.reshape(first, (4, 3))
    folded_twice = net.reshape(net.reshape(second, (12,)), (2, 6))
    total = net.arithmetic("ADD", first, folded_twice)
    changed = net.constant(net.int8(6, 2), scales=[0.1], zero_point=-7)
    product = net.arithmetic("MUL", total, net.reshape(changed, (2, 6)))
    outputs = (product, first, reshaped_input, product, second, unused, total)
    check(tmp_path, net.graph(*outputs), name="model")


def test_branches_joined_again(tmp_path: Path) -> None:
    net = Network(seed=2)
    image = net.input((1, 6, 5, 4))
    branch = net.convolution(image, n_outputs=4)
    other = net.depthwise(image)
    joined = net.arithmetic("ADD", branch, other, Activation.RELU)
    residual = net.arithmetic("ADD", joined, image)
    square = net.arithmetic("MUL", residual, residual)
    twice = net.op("CONCATENATION", [square, square], concatenation_attributes(axis=-1))
    scale, zero_point = net.quantization(square)
    edge = net.constant(net.int8(1, 6, 2, 4), scales=[scale], zero_point=zero_point)
    framed = net.op("CONCATENATION", [edge, square, edge], concatenation_attributes(axis=2))
    bias = net.constant(net.int8(4), scales=[0.03], zero_point=5)
    shifted = net.arithmetic("ADD", bias, framed)
    pooled = net.op("MAX_POOL_2D", [twice], pool_attributes())
    check(tmp_path, net.graph(shifted, pooled, branch), name="a")


def test_float32_at_the_borders(tmp_path: Path) -> None:
    net = Network(seed=3)
    real = net.float_input((2, 3, 5))
    untouched = net.float_input((4,))
    fine = net.quantize(real, 0.0123, -128)
    coarse = net.quantize(real, 0.7, 127)
    total = net.arithmetic("ADD", fine, coarse)
    outputs = [net.op("DEQUANTIZE", [tensor]) for tensor in (fine, coarse, total)]
    flat = net.op("DEQUANTIZE", [net.reshape(total, (30,))])
    check(tmp_path, net.graph(*outputs, flat, total, untouched, outputs[0]), name="all")


def test_batches_and_ranks(tmp_path: Path) -> None:
    net = Network(seed=4)
    vector = net.input((9,))
    matrix = net.input((3, 7))
    cube = net.input((2, 3, 4))
    images = net.input((3, 5, 4, 2))
    five = net.input((2, 1, 3, 2, 2))
    convolved = net.convolution(images, n_outputs=3)
    pooled = net.op("AVERAGE_POOL_2D", [convolved], pool_attributes())
    axes = net.constant(np.array([1, -1], np.int32))
    everything = net.constant(np.array([0], np.int32))
    paddings = net.constant(np.array([[1, 0], [0, 2], [1, 1], [0, 0], [2, 1]], np.int64))
    factor = net.constant(net.int8(1, 4, 1, 2, 1), scales=[0.1])
    outputs = [
        net.op("SOFTMAX", [vector], one_op_graphs()["SOFTMAX"].ops[0].attributes),
        net.op("MEAN", [vector, everything], MeanAttributes(keep_dims=False)),
        net.fully_connected(matrix, n_outputs=4),
        net.fully_connected(cube, n_outputs=5, keep_num_dims=True),
        net.op("MEAN", [cube, axes], MeanAttributes(keep_dims=False)),
        net.fully_connected(pooled, n_outputs=2, depth=12),
        net.op("PAD", [five, paddings]),
        net.arithmetic("MUL", five, factor),
        net.op("CONCATENATION", [five, five, five], concatenation_attributes(axis=1)),
        net.op("LOGISTIC", [five]),
    ]
    check(tmp_path, net.graph(*outputs), name="batches_and_ranks_of_all_kinds__")


def test_zero_points_at_the_ends(tmp_path: Path) -> None:
    net = Network(seed=5)
    outputs = []
    for low, high in ((-128, 127), (127, -128)):
        image = net.input((1, 4, 4, 2), scale=0.1, zero_point=low)
        padded = net.op("PAD", [image, _border(net)])
        weights = net.constant(net.int8(3, 3, 3, 2), scales=[0.01])
        bias = net.constant(np.array([-900, 0, 900], np.int32), scales=[0.1 * 0.01])
        convolved = net.op(
            "CONV_2D",
            [padded, weights, bias],
            convolution_attributes(activation=Activation.RELU6),
            scale=6 / 255,
            zero_point=high,
        )
        other = net.quantize(image, 0.3, high)
        outputs += [
            convolved,
            net.op("ADD", [image, other], _ADD, scale=0.5, zero_point=low),
            net.op("MUL", [image, other], _ADD, scale=2.0, zero_point=high),
            net.op("RELU", [image], scale=0.05, zero_point=high),
            net.op("RELU6", [image], scale=0.05, zero_point=low),
            net.op("AVERAGE_POOL_2D", [padded], pool_attributes(activation=Activation.RELU)),
        ]
    check(tmp_path, net.graph(*outputs), name="system")


def _border(net: Network) -> int:
    return net.constant(np.array([[0, 0], [1, 2], [2, 1], [0, 0]], np.int32))


def test_one_operator_that_needs_no_code(tmp_path: Path) -> None:
    net = Network(seed=6)
    check(tmp_path, net.graph(net.reshape(net.input((2, 3)), (6, 1))), name="library")


def test_300_operators(tmp_path: Path) -> None:
    check(tmp_path, random_network(7, n_ops=300), name="main_")


def test_a_large_input_on_a_microcontroller(tmp_path: Path) -> None:
    net = Network(seed=8)
    image = net.input((1, 160, 160, 4))
    pool = pool_attributes(stride_h=16, stride_w=16, filter_h=16, filter_w=16)
    project = check(tmp_path, net.graph(net.op("AVERAGE_POOL_2D", [image], pool)), name="test")
    arena_bytes = plan_of(project, "nrf52840")["arena_bytes"]
    assert isinstance(arena_bytes, int)
    assert 160 * 160 * 4 <= arena_bytes < 160 * 160 * 4 + 1024


@pytest.mark.parametrize(("seed", "name"), [(23, "device"), (31, "out")])
def test_random_networks_of_all_kinds(tmp_path: Path, seed: int, name: str) -> None:
    check(tmp_path, random_network(seed, n_ops=40), name=name)


# What a name may hold that has a meaning where names end up: C comments, JSON, JavaScript,
# TypeScript, HTML, Markdown, templates, file systems and terminals.
_NAMES = (
    "*/ int injected = 1; /*",
    "/*/",
    "??/",
    "backslash \\",
    "two\nlines\r\ttab \x1b[31m \x00",
    "\"double\" 'single' `${backtick}`",
    "</script><script>globalThis.injected = true</script>",
    "<!-- <script>",
    "</style><img src=x onerror=alert(1)>",
    "@SCRIPT@ @WASM@",
    "{{ name }} {% raw %}",
    "größe 大きさ \u2028 \u202e \U0001f600",
    "%s%n $(exit 1) ;|",
    "| a | b |",
    "0",
    "key=value=more",
    "same",
    "same",
    "same_2",
    "",
    "long" * 1000,
)


def test_names_of_tensors_that_mean_something_elsewhere(tmp_path: Path) -> None:
    net = Network(seed=9)
    outputs = []
    for number, text in enumerate(_NAMES):
        tensor = net.input((1, 3), name=text)
        term = net.constant(net.int8(1, 3), scales=[0.05], name=f"{text}*/ {number}")
        outputs.append(net.op("ADD", [tensor, term], _ADD, name=f"{text} sum"))
    project = check(tmp_path, net.graph(*outputs), name="names")
    folder = project / "build" / "browser"
    plan = json.loads((folder / "plan.json").read_bytes())
    names = [port["name"] for port in plan["inputs"]]
    assert len(set(names)) == len(_NAMES)
    assert all(name.isprintable() for name in names)
    kept = [text for text in dict.fromkeys(_NAMES) if text and text.isprintable()]
    assert [name for name in names if name in kept] == kept
    # Whatever a name says, it is text and no more.
    asked = subprocess.run(
        ["node", "--input-type=module", "--eval", _ASK_FOR_NAMES, str(folder / "names.mjs")],
        capture_output=True,
        check=True,
    )
    assert json.loads(asked.stdout) == names
    page = _Elements()
    page.feed((folder / "index.html").read_text())
    page.close()
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    types = (folder / "names.d.ts").read_text()
    header = (folder.parent / "linux-x86_64" / "names.h").read_text()
    assert "injected" not in types
    assert "\nint injected" not in header
    assert max(len(line) for line in header.splitlines()) < 200


_ASK_FOR_NAMES = """
import { pathToFileURL } from "node:url";
const { load } = await import(pathToFileURL(process.argv[1]));
const model = await load();
if (globalThis.injected) throw new Error("a name was run");
console.log(JSON.stringify(model.inputs.map((tensor) => tensor.name)));
"""


class _Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.append(tag)


def test_a_program_that_would_lie_where_a_folder_lies_is_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path, "model.tflite", name="project")
    (project / "model.tflite").write_bytes(tflite_bytes(one_op_graphs()["RELU"]))
    refused = anvil("build", "--json", "--project", project)
    assert refused.returncode == 2
    (error,) = refused.document()["diagnostics"]
    assert "project/" in error["message"]
