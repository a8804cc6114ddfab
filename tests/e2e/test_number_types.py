"""Models in float32, in float16 weights and in int16 x int8, from the file to every target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.cli import anvil, write_project
from tests.support.number_networks import NUMBER_TYPES, number_network
from tests.support.programs import require_program
from tests.support.tflite_builder import run_reference, tflite_bytes

if TYPE_CHECKING:
    from pathlib import Path

# A float32 model would be quantized, were it not said that it stays as it is.
_AS_IT_IS = "candidates: [float32]\n"
_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
_EMULATORS = ("qemu-system-arm", "qemu-aarch64", "node")


def keep(project: Path, number_type: str) -> None:
    if number_type == "float32":
        with (project / "anvil.yaml").open("a") as file:
            file.write(_AS_IT_IS)


@pytest.mark.parametrize("number_type", NUMBER_TYPES)
def test_every_target_agrees_with_the_reference(number_type: str, tmp_path: Path) -> None:
    for program in _EMULATORS:
        require_program(program)
    model = tmp_path / "m.tflite"
    model.write_bytes(tflite_bytes(number_network(number_type)))
    project = write_project(tmp_path, model.name, name=number_type)
    keep(project, number_type)
    verified = anvil("verify", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    assert verified.statuses() == dict.fromkeys(_TARGETS, "passed")
    for row in verified.document()["targets"]:
        assert row["comparison"]["inferences"] == 19
        assert row["comparison"]["outputs"] == 38
        if number_type == "int16x8":
            assert row["comparison"]["max_difference"] == 0
    traced = anvil("verify", "--layers", "--json", "--project", project, "--target", "linux-x86_64")
    assert traced.returncode == 0, traced.stdout
    (row,) = traced.document()["targets"]
    assert row["first_different_layer"] is None
    agreeing = {layer["op"] for layer in row["layers"] if layer["equal"]}
    assert agreeing >= {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"}


@pytest.mark.parametrize("number_type", NUMBER_TYPES)
def test_run_takes_and_gives_the_models_type(number_type: str, tmp_path: Path) -> None:
    content = tflite_bytes(number_network(number_type))
    (tmp_path / "m.tflite").write_bytes(content)
    project = write_project(tmp_path, "m.tflite", name=number_type, targets="{linux-x86_64: {}}")
    keep(project, number_type)
    assert anvil("build", "--project", project).returncode == 0
    rng = np.random.default_rng(1)
    image = rng.uniform(-1, 1, (1, 9, 8, 3)).astype(np.float32)
    if number_type == "int16x8":
        image = np.rint(image / 2e-4).astype(np.int16)
    np.save(tmp_path / "x.npy", image)
    files = [str(tmp_path / name) for name in ("p.npy", "s.npy")]
    ran = anvil(
        *("run", "--project", project, "--target", "linux-x86_64"),
        *("--input", str(tmp_path / "x.npy"), "--output", files[0], "--output", files[1]),
    )
    assert ran.returncode == 0, ran.stderr
    for file, expected in zip(files, run_reference(content, [image]), strict=True):
        found = np.load(file)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        tolerance = 0 if number_type == "int16x8" else 1e-4
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    np.save(tmp_path / "wrong.npy", image.astype(np.float64))
    refused = anvil(
        *("run", "--json", "--project", project, "--target", "linux-x86_64"),
        *("--input", str(tmp_path / "wrong.npy"), "--output", files[0]),
    )
    assert refused.returncode == 2
    assert "float64" in refused.stdout
