"""The benchmark models on every target, byte for byte against TFLite's reference kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

_EMULATORS = ("qemu-system-arm", "qemu-aarch64", "node")
_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad", "sww"])
def test_every_target_equals_the_reference(name: str, tmp_path: Path) -> None:
    model = require_shared_model(f"{name}.int8.tflite")
    for program in _EMULATORS:
        require_program(program)
    project = write_project(tmp_path, model, name=name)
    verified = anvil("verify", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    assert verified.statuses() == dict.fromkeys(_TARGETS, "passed")
    for row in verified.document()["targets"]:
        assert row["comparison"]["inferences"] == 19
        assert row["comparison"]["different_outputs"] == 0


@pytest.mark.parametrize("name", ["kws", "ic", "ad"])
def test_dot_products_equal_the_reference(name: str, tmp_path: Path) -> None:
    model = require_shared_model(f"{name}.int8.tflite")
    require_program("qemu-aarch64")
    project = write_project(tmp_path, model, name=name, targets="{rpi5: {}}")
    verified = anvil("verify", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["different_outputs"] == 0
    plan = (project / "build" / "rpi5" / "plan.json").read_text(encoding="utf-8")
    assert "__dotprod" in plan


def test_layers_are_compared_through_reused_memory(tmp_path: Path) -> None:
    model = require_shared_model("ic.int8.tflite")
    for program in _EMULATORS:
        require_program(program)
    project = write_project(tmp_path, model, name="ic")
    verified = anvil("verify", "--layers", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    for row in verified.document()["targets"]:
        assert row["first_different_layer"] is None
        assert len(row["layers"]) == 16
        assert {layer["op"] for layer in row["layers"]} >= {"CONV_2D", "ADD", "SOFTMAX"}
