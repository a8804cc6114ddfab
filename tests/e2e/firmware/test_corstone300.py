"""Models on the Corstone-300; what it shares with other boards is in test_boards.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad", "sww"])
def test_a_model_equals_the_reference(name: str, tmp_path: Path) -> None:
    model = require_shared_model(f"{name}.int8.tflite")
    require_program("qemu-system-arm")
    project = write_project(tmp_path, model, name=name, targets="{corstone300: {}}")
    layers = ["--layers"] if name == "ic" else []  # the RAM that all tensors need is elsewhere
    verified = anvil("verify", *layers, "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["inferences"] == 19
    assert row["comparison"]["different_outputs"] == 0
    assert row.get("first_different_layer") is None
