"""Data and metrics through the command: what is measured, and what is wrong with them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.cli import anvil
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = ROOT / "examples" / "digits"
METRICS = """\
def hits(outputs, labels):
    return outputs.argmax(axis=1) == labels


def broken(outputs, labels):
    return labels.no_such_thing
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    folder.mkdir()
    shutil.copy(ROOT / "quantized" / "int8.tflite", folder / "digits.int8.tflite")
    with np.load(DIGITS / "evaluation.npz") as data:
        np.savez(folder / "whole.npz", x=data["x"][:40], y=data["y"][:40])
        np.savez(folder / "short.npz", x=data["x"][:40], y=data["y"][:39])
    (folder / "metrics.py").write_text(METRICS)
    return folder


def plan(project: Path, evaluation: str, metric: str) -> tuple[int, dict[str, Any]]:
    (project / "anvil.yaml").write_text(
        f"version: 1\nname: digits\nmodel: digits.int8.tflite\n"
        f"data: {{evaluation: {evaluation}, metric: '{metric}'}}\n"
        f"targets: {{linux-x86_64: {{}}, rpi4: {{}}}}\n"
    )
    ended = anvil("plan", "--project", project, "--json")
    return ended.returncode, ended.document()


def test_a_users_metric_is_in_the_plan(project: Path) -> None:
    exit_code, document = plan(project, "whole.npz", "metrics:hits")
    assert exit_code == 0
    own = plan(project, "whole.npz", "top1")[1]
    for theirs, ours in zip(document["targets"], own["targets"], strict=True):
        accuracy, expected = theirs["plan"]["accuracy"], ours["plan"]["accuracy"]
        assert (accuracy["metric"], expected["metric"]) == ("metrics:hits", "top1")
        assert accuracy["value"] == expected["value"] > 0.9
        assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]


@pytest.mark.parametrize(
    ("evaluation", "metric", "place", "said"),
    [
        ("short.npz", "top1", "short.npz", "39 labels for 40 samples"),
        ("whole.npz", "metrics:broken", "metrics.py:6", "metrics:broken raised AttributeError"),
        ("whole.npz", "metrics:f1", "metrics.py", "its functions: broken, hits"),
        ("whole.npz", "auc", "anvil.yaml:4", "the model gives 10 values"),
        ("hole.npz", "top1", "anvil.yaml:4", "there is no evaluation data"),
    ],
)
def test_what_is_wrong_is_said_once_at_its_place(
    project: Path, evaluation: str, metric: str, place: str, said: str
) -> None:
    exit_code, document = plan(project, evaluation, metric)
    assert exit_code == 2
    (diagnostic,) = document["diagnostics"]
    assert said in diagnostic["message"]
    file, _, line = place.partition(":")
    assert diagnostic["file"] == str(project / file)
    assert diagnostic["line"] == (int(line) if line else None)
    assert diagnostic["hint"]
