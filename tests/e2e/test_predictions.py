"""What the plan said before compiling, against the built program and its counted run.

These are limits of accuracy that users may rely on: the arena exact, RAM and flash within
3 %, instructions within 10 % where they can be counted, and a stack that never grows beyond
its bound.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.cli import anvil, write_project
from tests.support.programs import require_program, require_shared_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SIZE_ERROR = 0.03
_INSTRUCTIONS_ERROR = 0.10
_COUNTED = {"nrf52840": "qemu-system-arm", "rpi4": "qemu-aarch64"}
_TARGETS = ("nrf52840", "rpi4", "browser", "linux-x86_64")


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad", "sww"])
def test_the_plan_foretells_the_program(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    project = write_project(tmp_path, require_shared_model(f"{name}.int8.tflite"), name=name)
    built = anvil("build", "--json", "--project", project)
    assert built.returncode == 0, built.stdout
    for target in _TARGETS:
        folder = project / "build" / target
        plan = json.loads((folder / "plan.json").read_bytes())
        measured = json.loads((folder / "measured.json").read_bytes())
        error = measured["error"]
        record_property(f"{target} error", error)
        assert measured["arena_bytes"] == plan["arena_bytes"]
        assert error["arena_bytes"] == 0.0
        assert abs(error["ram_bytes"]) <= _SIZE_ERROR
        assert abs(error["flash_bytes"]) <= _SIZE_ERROR
        assert plan["latency_s"] > 0
        if target in _COUNTED:
            require_program(_COUNTED[target])
            stats = _counted(project, target, plan, tmp_path)
            record_property(f"{target} stats", stats)
            assert abs(stats["error"]["instructions"]) <= _INSTRUCTIONS_ERROR
            of_calls = sum(op["instructions"] for op in plan["ops"])
            assert 0 <= plan["instructions"] - of_calls < 100
            if target == "nrf52840":
                assert 0 < stats["stack_bytes"] <= plan["stack_bound_bytes"]
                assert plan["stack_bound_bytes"] <= plan["ram_bytes"]["stack"]


def _counted(project: Path, target: str, plan: dict[str, Any], folder: Path) -> dict[str, Any]:
    (port,) = plan["inputs"]
    values = np.random.default_rng(5).integers(-128, 128, port["shape"]).astype(port["dtype"])
    np.save(folder / "x.npy", values)
    ended = anvil(
        "run", "--project", project, "--target", target, "--input", folder / "x.npy",
        "--output", folder / "y.npy", "--stats", folder / "stats.json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    stats: dict[str, Any] = json.loads((folder / "stats.json").read_bytes())
    return stats
