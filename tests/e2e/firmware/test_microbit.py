"""Models on the micro:bit; what it shares with other boards is in test_boards.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from pathlib import Path


def test_a_model_equals_the_reference(tmp_path: Path) -> None:
    model = require_shared_model("sww.int8.tflite")
    require_program("qemu-system-arm")
    project = write_project(tmp_path, model, name="sww", targets="{microbit: {}}")
    # The RAM that all tensors need is more than the board has.
    verified = anvil("verify", "--layers", "--json", "--project", project)
    assert verified.returncode == 0, verified.stdout
    (row,) = verified.document()["targets"]
    assert row["comparison"]["inferences"] == 19
    assert row["comparison"]["different_outputs"] == 0
    assert row["first_different_layer"] is None
    plan = json.loads((project / "build" / "microbit" / "plan.json").read_text("utf-8"))
    assert {op["variant"] for op in plan["ops"]} == {
        "anvil_conv_2d_int8_rows__m0",
        "anvil_depthwise_conv_2d_int8_rows__m0",
        "anvil_fully_connected_int8_rows__m0",
        "anvil_softmax_int8_fixed_point__scalar",
    }


def test_what_does_not_fit_is_said_before_anything_is_compiled(tmp_path: Path) -> None:
    model = require_shared_model("ad.int8.tflite")  # 270 kB of weights
    project = write_project(tmp_path, model, name="ad", targets="{microbit: {}}")
    built = anvil("build", "--json", "--project", project)
    assert built.returncode != 0
    assert [d["code"] for d in built.document()["diagnostics"]] == ["fit.flash"]
