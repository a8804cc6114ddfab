"""anvil bench on the example: real emulators, Node and this computer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT, require_program

if TYPE_CHECKING:
    from pathlib import Path

_MODEL = ROOT / "quantized" / "int8.tflite"
_TICK = 40  # instructions, of the timer that `run --stats` reads


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, built_example: Path) -> Path:
    """The example's model as a project of its own; its targets come from the cache."""
    del built_example
    return write_project(tmp_path_factory.mktemp("bench") / "digits", _MODEL, name="digits")


@pytest.fixture(scope="module")
def saved(project: Path) -> Path:
    """What the counted targets took."""
    for program in ("qemu-system-arm", "qemu-aarch64"):
        require_program(program)
    path = project / "saved.json"
    ended = anvil("bench", "--project", project, "--target", "nrf52840,rpi4", "--save", path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    return path


def _targets(path: Path) -> dict[str, Any]:
    return {row["target"]: row for row in json.loads(path.read_bytes())["targets"]}


def test_every_call_of_the_plan_is_counted_and_nothing_else(project: Path, saved: Path) -> None:
    for name, row in _targets(saved).items():
        plan = json.loads((project / "build" / name / "plan.json").read_bytes())
        ops = [(op["index"], op["op"], op["variant"], op["macs"]) for op in plan["ops"]]
        layers = row["layers"]
        assert [(o["index"], o["op"], o["variant"], o["macs"]) for o in layers] == ops
        for metric in ("instructions", "cycles"):
            parts = [row["outside"], *layers]
            assert sum(part[metric] for part in parts) == row["total"][metric]
            assert all(part[metric] > 0 for part in parts)
        assert 0.9 < sum(layer["share"] for layer in layers) <= 1
        assert row["metric"] == "cycles"
        assert row["machine"] is None


def test_waiting_for_flash_is_in_the_time_and_not_in_the_cycles(saved: Path) -> None:
    found = _targets(saved)
    total = found["nrf52840"]["total"]
    assert total["wait_cycles"] > 0
    assert total["wait_cycles"] % 3 == 0  # states, of each read
    assert total["latency_s"] == (total["cycles"] + total["wait_cycles"]) / 64e6
    assert found["rpi4"]["total"]["wait_cycles"] is None


def test_the_sum_is_what_the_emulator_s_timer_counts(
    project: Path, saved: Path, tmp_path: Path
) -> None:
    image = np.zeros((1, 8, 8, 1), dtype=np.int8)
    np.save(tmp_path / "x.npy", image)
    stats = tmp_path / "stats.json"
    words = ("--target", "nrf52840", "--input", tmp_path / "x.npy", "--stats", stats)
    assert anvil("run", "--project", project, *words).returncode == 0
    counted = json.loads(stats.read_bytes())["instructions"]
    total = _targets(saved)["nrf52840"]["total"]["instructions"]
    # Another input takes other ways through the code, a few hundredths at most.
    assert abs(counted - total) < 0.05 * total + 2 * _TICK


def test_the_same_build_has_not_changed(project: Path, saved: Path) -> None:
    words = ("--target", "rpi4,nrf52840", "--baseline", saved, "--fail-above", "0")
    ended = anvil("bench", "--project", project, *words, "--json")
    assert ended.returncode == 0, ended.stderr
    for row in ended.document()["targets"]:
        assert row["change"] == {
            "metric": "cycles",
            "was": row["total"]["cycles"],
            "share": 0,
            "gone": [],
        }
        assert all(layer["change"] == 0 for layer in row["layers"])


def test_a_slower_layer_fails_where_it_is_asked_for(project: Path, saved: Path) -> None:
    document = json.loads(saved.read_bytes())
    rows = [row for row in document["targets"] if row["target"] == "rpi4"]
    rows[0]["layers"][0]["cycles"] //= 2
    former = project / "former.json"
    former.write_text(json.dumps({**document, "targets": rows}))
    words = ("bench", "--project", project, "--target", "rpi4", "--baseline", former)
    assert anvil(*words).returncode == 0
    ended = anvil(*words, "--fail-above", "5")
    assert ended.returncode == 1
    assert "layer 0" in ended.stderr
    assert "more cycles than in" in ended.stderr
    assert "+100.0 %" in ended.stderr  # the table is there all the same
    # As JSON, with a target that the baseline lacks: nothing is measured.
    ended = anvil(*words, "--target", "nrf52840", "--json")
    assert ended.returncode == 2
    (said,) = ended.document()["diagnostics"]
    assert said["message"].endswith("it has rpi4, and not nrf52840")


def test_times_are_measured_where_nothing_is_counted(project: Path) -> None:
    require_program("node")
    ended = anvil("bench", "--project", project, "--target", "browser,linux-x86_64", "--json")
    if ended.returncode != 0:
        # Another computer than x86-64 Linux runs no such program by itself.
        assert ended.statuses() == {"browser": "measured", "linux-x86_64": "not_measured"}
    for row in ended.document()["targets"]:
        if row["status"] != "measured":
            continue
        plan = json.loads((project / "build" / row["target"] / "plan.json").read_bytes())
        assert [layer["variant"] for layer in row["layers"]] == [o["variant"] for o in plan["ops"]]
        assert row["metric"] == "nanoseconds"
        assert row["total"]["nanoseconds"] > 0
        assert row["total"]["instructions"] is None
        assert any(layer["nanoseconds"] > 0 for layer in row["layers"])
        assert row["machine"]


def test_what_cannot_be_measured_is_told_and_not_saved(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    ended = anvil(
        "bench", "--project", project, "--target", "rpi4", "--save", path, "--json",
        PATH=str(tmp_path),
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.statuses() == {"rpi4": "not_measured"}
    assert "qemu-aarch64 is not installed" in str(ended.document()["diagnostics"])
    assert not path.exists()


def test_files_that_cannot_be_used_are_told(project: Path, saved: Path, tmp_path: Path) -> None:
    words = ("bench", "--project", project, "--target", "nrf52840")
    for path, said in (
        (tmp_path / "none.json", "there is no such baseline"),
        (tmp_path, "it is no file"),
        (_MODEL, "it cannot be read"),
    ):
        ended = anvil(*words, "--baseline", path)
        assert ended.returncode == 2
        assert said in ended.stderr
    other = json.loads(saved.read_bytes())
    for row in other["targets"]:
        row["model_sha256"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(other))
    ended = anvil(*words, "--baseline", tmp_path / "other.json")
    assert ended.returncode == 2
    assert "it is of another model: SHA-256 000000000000" in ended.stderr
    ended = anvil(*words, "--save", "/proc/bench.json")
    assert ended.returncode == 1
    assert "cannot save /proc/bench.json" in ended.stderr
    ended = anvil(*words, "--fail-above", "1")
    assert ended.returncode == 2
    assert "none is given" in ended.stderr
