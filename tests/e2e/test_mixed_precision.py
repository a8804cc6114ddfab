"""A model that int8 ruins: some of its layers stay in float32."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.cli import anvil
from tests.support.float_models import N_INPUTS, real_outputs, uneven_model
from tests.support.programs import require_program

_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")
_ALLOWED_DROP = 0.05


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose labels are what the float model answers, so that its top1 is 1."""
    folder = tmp_path_factory.mktemp("mixed")
    model = uneven_model()
    (folder / "model.tflite").write_bytes(model)
    samples = np.random.default_rng(7).uniform(-1, 1, (200, N_INPUTS)).astype(np.float32)
    answers = real_outputs(model, list(samples[:, np.newaxis])).reshape(200, -1).argmax(axis=1)
    np.savez(folder / "data.npz", x=samples, y=answers)
    document = {
        "version": 1,
        "name": "uneven",
        "model": "model.tflite",
        "data": {"calibration": "data.npz", "evaluation": "data.npz", "metric": "top1"},
        "requirements": {"max_accuracy_drop": _ALLOWED_DROP},
        "candidates": ["int8", "mixed"],
        "targets": {target: {} for target in _TARGETS},
    }
    (folder / "anvil.yaml").write_text(json.dumps(document))
    return folder


def test_mixed_is_taken_where_int8_loses_too_much(project: Path) -> None:
    ended = anvil("plan", "--json", "--project", project)
    assert ended.returncode == 0, ended.stdout
    for row in ended.document()["targets"]:
        plan = row["plan"]
        found = {one["name"]: one["accuracy"] for one in plan["candidates"]}
        assert found["int8"]["drop"] > 2 * _ALLOWED_DROP
        assert found["mixed"]["drop"] <= _ALLOWED_DROP
        assert plan["candidate"] == "mixed"
        (rejected,) = [one for one in plan["choices"] if not one["fits"]]
        assert rejected["candidate"] == "int8"
        assert [one["what"] for one in rejected["failed"]] == ["max_accuracy_drop"]


def test_mixed_agrees_with_the_reference_everywhere(project: Path) -> None:
    for program in ("qemu-system-arm", "qemu-aarch64", "node"):
        require_program(program)
    ended = anvil("verify", "--layers", "--json", "--project", project)
    assert ended.returncode == 0, ended.stdout
    assert ended.statuses() == dict.fromkeys(_TARGETS, "passed")
    for row in ended.document()["targets"]:
        kinds = {layer["op"] for layer in row["layers"]}
        assert kinds >= {"QUANTIZE", "DEQUANTIZE", "FULLY_CONNECTED"}


def test_without_mixed_the_ways_out_are_named(project: Path) -> None:
    document = json.loads((project / "anvil.yaml").read_text()) | {"candidates": ["int8"]}
    other = project / "int8_only"
    other.mkdir()
    for name in ("model.tflite", "data.npz"):
        (other / name).write_bytes((project / name).read_bytes())
    (other / "anvil.yaml").write_text(json.dumps(document))
    ended = anvil("plan", "--json", "--target", "rpi4", "--project", other)
    assert ended.returncode == 3
    (diagnostic,) = ended.document()["diagnostics"]
    assert diagnostic["code"] == "fit.accuracy"
    assert "max_accuracy_drop allows 0.05" in diagnostic["message"]
    ways = diagnostic["hint"].split("(1) ")[1]
    assert ways.startswith("add mixed to candidates: mixed with ")
    assert "(2) set max_accuracy_drop to" in ways
