"""A wrong kernel is found: verification that cannot fail would prove nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from anvil.core.attributes import Padding
from tests.support.cli import Ended, anvil, write_project
from tests.support.networks import Network, convolution_attributes
from tests.support.programs import ROOT, require_program
from tests.support.tflite_builder import tflite_bytes

_EXAMPLE_MODEL = ROOT / "quantized" / "int8.tflite"
_KERNEL = "depthwise_conv_2d/depthwise_conv_2d_int8_direct__scalar.c"
_VARIANTS = "depthwise_conv_2d/kernels.yaml"
_EMULATORS = {
    "nrf52840": "qemu-system-arm",
    "rpi4": "qemu-aarch64",
    "browser": "node",
    "linux-x86_64": None,
}


def _verify_with_wrong_kernel(
    folder: Path, target: str, *options: str, model: Path = _EXAMPLE_MODEL
) -> Ended:
    """The project's own kernels/ come before the built-in ones: here the only one is wrong."""
    project = write_project(folder, model, name="digits", targets=f"{{{target}: {{}}}}")
    source = (ROOT / "kernels" / _KERNEL).read_text()
    wrong = source.replace("p.output_zero_point", "p.output_zero_point + 9")
    assert wrong != source
    (project / "kernels" / _KERNEL).parent.mkdir(parents=True)
    (project / "kernels" / _KERNEL).write_text(wrong)
    variants = yaml.safe_load((ROOT / "kernels" / _VARIANTS).read_text())
    variants["variants"] = [one for one in variants["variants"] if one["source"] == _KERNEL]
    (project / "kernels" / _VARIANTS).write_text(yaml.safe_dump(variants))
    return anvil("verify", "--json", "--project", project, *options)


@pytest.mark.parametrize("target", sorted(_EMULATORS))
def test_a_wrong_kernel_fails_its_target(tmp_path: Path, target: str) -> None:
    program = _EMULATORS[target]
    if program is not None:
        require_program(program)
    ended = _verify_with_wrong_kernel(tmp_path, target)
    assert ended.returncode == 1
    assert ended.statuses() == {target: "failed"}
    document = ended.document()
    assert [d["code"] for d in document["diagnostics"]] == ["verify.differs"]
    comparison = document["targets"][0]["comparison"]
    assert comparison["different_outputs"] > 0
    assert comparison["max_difference"] > 0
    assert comparison["first_difference"]["expected"] != comparison["first_difference"]["found"]


def test_the_layer_with_the_wrong_kernel_is_the_first_that_differs(tmp_path: Path) -> None:
    ended = _verify_with_wrong_kernel(tmp_path, "linux-x86_64", "--layers")
    assert ended.returncode == 1
    (row,) = ended.document()["targets"]
    first = row["first_different_layer"]
    assert first["op"] == "DEPTHWISE_CONV_2D"
    assert first["index"] == min(
        layer["index"] for layer in row["layers"] if layer["op"] == "DEPTHWISE_CONV_2D"
    )
    before = [layer for layer in row["layers"] if layer["index"] < first["index"]]
    assert before
    assert all(layer["equal"] for layer in before)


def test_the_first_wrong_layer_is_named_through_rewrites(tmp_path: Path) -> None:
    """PAD and RELU merge into the first layer, channels are cut, and the third is wrong."""
    net = Network(3)
    x = net.input((1, 8, 8, 2))
    y = net.op("PAD", [x, net.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))])
    y = net.convolution(y, n_outputs=6, attributes=convolution_attributes(padding=Padding.VALID))
    scale, zero_point = net.quantization(y)
    y = net.op("RELU", [y], scale=scale, zero_point=zero_point)
    y = net.depthwise(y)
    y = net.convolution(y, n_outputs=3, filter_size=(1, 1))
    graph = net.graph(y)
    weights = net.int8(3, 1, 1, 6)
    weights[..., 2:4] = 0
    tensors = list(graph.tensors)
    unread = graph.ops[-1].inputs[1]
    tensors[unread] = replace(tensors[unread], data=weights.tobytes())
    model = tmp_path / "cut.tflite"
    model.write_bytes(tflite_bytes(replace(graph, tensors=tuple(tensors))))

    ended = _verify_with_wrong_kernel(tmp_path, "linux-x86_64", "--layers", model=model)
    assert ended.returncode == 1
    (row,) = ended.document()["targets"]
    first = row["first_different_layer"]
    assert (first["index"], first["op"]) == (3, "DEPTHWISE_CONV_2D")
    found = [(layer["status"], layer["equal"]) for layer in row["layers"]]
    assert found[:3] == [("merged", None), ("merged", None), ("compared", True)]
    assert [layer["removed_channels"] for layer in row["layers"]] == [0, 0, 2, 2, 0]
