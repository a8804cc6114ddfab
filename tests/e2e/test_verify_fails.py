"""A wrong kernel is found: verification that cannot fail would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Ended, anvil, write_project
from tests.support.programs import ROOT, require_program

_EXAMPLE_MODEL = ROOT / "examples" / "digits" / "digits.int8.tflite"
_KERNEL = "depthwise_conv_2d/depthwise_conv_2d_int8_direct__scalar.c"
_EMULATORS = {
    "nrf52840": "qemu-system-arm",
    "rpi4": "qemu-aarch64",
    "browser": "node",
    "linux-x86_64": None,
}


def _verify_with_wrong_kernel(folder: Path, target: str, *options: str) -> Ended:
    """The project's own kernels/ come before the built-in ones: here lies one that is wrong."""
    project = write_project(folder, _EXAMPLE_MODEL, name="digits", targets=f"{{{target}: {{}}}}")
    source = (ROOT / "kernels" / _KERNEL).read_text()
    wrong = source.replace("p.output_zero_point", "p.output_zero_point + 9")
    assert wrong != source
    (project / "kernels" / _KERNEL).parent.mkdir(parents=True)
    (project / "kernels" / _KERNEL).write_text(wrong)
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
