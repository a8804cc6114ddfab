"""Candidates that a build cannot take: each is said once, and the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.core.tensor import DType
from tests.support.cli import anvil, write_project
from tests.support.tflite_builder import activation, one_op_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tanh(tmp_path: Path) -> Path:
    """A project whose operator has no int8 kernel."""
    ports = (activation(name, (1, 6), dtype=DType.FLOAT32, scale=None) for name in ("x", "y"))
    x, y = ports
    (tmp_path / "net.tflite").write_bytes(one_op_model("TANH", [x], [y]))
    return write_project(tmp_path, "net.tflite", targets="{rpi4: {}}")


def test_a_candidate_that_is_left_out_is_said(tanh: Path) -> None:
    ended = anvil("plan", "--project", tanh)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("the candidate int8 is left out: ") == 1
    rows = [line.split() for line in ended.stderr.splitlines()]
    assert any("float32" in row[:2] for row in rows)
    assert any("int16x8" in row[:2] for row in rows)
    (row,) = anvil("plan", "--project", tanh, "--json").document()["targets"]
    assert "plan.candidate-failed" in [one["code"] for one in row["plan"]["warnings"]]


def test_one_that_is_not_asked_for_is_not_missed(tanh: Path) -> None:
    config = tanh / "anvil.yaml"
    config.write_text(config.read_text() + "candidates: [float32, int16x8]\n")
    ended = anvil("plan", "--project", tanh)
    assert ended.returncode == 0, ended.stderr
    assert "left out" not in ended.stderr


def test_where_none_is_left_it_says_why(tanh: Path) -> None:
    config = tanh / "anvil.yaml"
    config.write_text(config.read_text() + "candidates: [int8]\n")
    ended = anvil("plan", "--project", tanh)
    assert ended.returncode == 2
    assert "int8: 1 of the model's" in ended.stderr
    assert ended.stderr.count("TANH: its output") == 1


def test_mixed_alone_says_what_it_takes(tmp_path: Path) -> None:
    x, y = (activation(name, (1, 6), dtype=DType.FLOAT32, scale=None) for name in ("x", "y"))
    (tmp_path / "net.tflite").write_bytes(one_op_model("LOGISTIC", [x], [y]))
    write_project(tmp_path, "net.tflite", targets="{rpi4: {candidates: [mixed]}}")
    ended = anvil("plan", "--project", tmp_path)
    assert ended.returncode == 2
    assert "mixed is made where int8 loses more than max_accuracy_drop allows" in ended.stderr


def test_an_unsupported_operator_is_told_once_and_not_for_each_candidate(tmp_path: Path) -> None:
    x, y = (activation(name, (1, 6), dtype=DType.FLOAT32, scale=None) for name in ("x", "y"))
    (tmp_path / "net.tflite").write_bytes(one_op_model("ABS", [x], [y]))
    write_project(tmp_path, "net.tflite", targets="{rpi4: {}}")
    ended = anvil("plan", "--project", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("error:") == 1
    assert "op 0 ABS" in ended.stderr
