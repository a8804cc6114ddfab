"""anvil.yaml: what a project says, and which targets it is built for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from anvil.config.names import reason_against
from anvil.core.diagnostics import AnvilError
from anvil.core.target import DataFiles, Requirements
from tests.support.configuration import VALID, load
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WITH_REQUIREMENTS = """\
version: 1
name: digits
model: /models/digits.tflite
data:
  calibration: data/c.npz
  evaluation: ../e.npz
  keys: {x: specs}
  metric: tools.measure:score
requirements: {max_accuracy_drop: 0.01, max_latency: 50 ms, max_ram: 64 KiB, max_flash: 1 MB}
optimize: speed
targets:
  rpi4: {requirements: {max_latency: 0.5 ms, max_accuracy_drop: 0}}
  nrf52840:
"""


def names(text: str = VALID, **options: Any) -> list[str]:  # noqa: ANN401  those of `load`
    return [request.target.name for request in load(text, **options).project.targets]


def codes(text: str, **options: Any) -> list[str]:  # noqa: ANN401  those of `load`
    with pytest.raises(AnvilError) as error:
        load(text, **options)
    return [diagnostic.code for diagnostic in error.value.diagnostics]


def test_everything_that_a_project_says() -> None:
    project = load(WITH_REQUIREMENTS, file="work/p/anvil.yaml").project
    assert project.name == "digits"
    assert project.file == "work/p/anvil.yaml"
    assert project.model == "/models/digits.tflite"
    assert project.model_position == (3, 8)
    assert project.optimize == ("latency", "ram", "flash", "accuracy")
    assert project.data == DataFiles(
        calibration="work/p/data/c.npz",
        evaluation="work/p/../e.npz",
        keys_x=("specs",),
        key_y="y",
        metric="tools.measure:score",
        positions=(("calibration", 5, 16), ("evaluation", 6, 15), ("metric", 8, 11)),
    )
    general = Requirements(
        max_accuracy_drop=0.01, max_latency_s=0.05, max_ram_bytes=65_536, max_flash_bytes=1_000_000
    )
    rpi4 = Requirements(
        max_accuracy_drop=0.0, max_latency_s=0.0005, max_ram_bytes=65_536, max_flash_bytes=1_000_000
    )
    assert [r.requirements for r in project.targets] == [rpi4, general]


def test_what_a_project_need_not_say() -> None:
    project = load().project
    assert (project.data, project.optimize) == (None, ("product", "accuracy"))
    assert project.model == "models/digits.tflite"
    assert {request.requirements for request in project.targets} == {Requirements()}


def test_targets_are_in_the_order_of_the_file() -> None:
    assert names() == ["nrf52840", "rpi4", "browser"]


def test_targets_asked_for_are_in_the_order_asked_each_once() -> None:
    assert names(targets=["browser", "rpi4", "browser"]) == ["browser", "rpi4"]
    assert names(targets=[]) == []


def test_a_target_that_the_file_does_not_list_has_the_general_requirements() -> None:
    loaded = load(WITH_REQUIREMENTS, targets=["linux-x86_64"])
    (request,) = loaded.project.targets
    assert request.target.name == "linux-x86_64"
    assert request.requirements.max_latency_s == 0.05


def test_mistakes_about_targets_that_nobody_asked_for_count_too() -> None:
    text = VALID.replace("rpi4:", "rpi_4:")
    assert codes(text, targets=["browser"]) == ["config.unknown-target"]


def test_mistakes_in_the_file_and_on_the_command_line_come_together() -> None:
    text = VALID.replace("name: digits", "name: int")
    assert codes(text, targets=["nowhere"]) == ["config.name", "config.unknown-target"]


def test_a_target_with_a_broken_profile_fails_alone_in_the_order_asked() -> None:
    profiles = {"boards/rpi4.yaml": "extends: boards/rpi4\nclock: 1\n", "boards/b.yaml": "x: [\n"}
    loaded = load(profiles=profiles, targets=["rpi4", "b", "browser"])
    assert [request.target.name for request in loaded.project.targets] == ["browser"]
    assert list(loaded.failures) == ["rpi4", "b"]
    assert [d.path for d in loaded.failures["rpi4"]] == ["clock"]


def test_a_profile_that_nobody_asked_for_may_be_broken() -> None:
    loaded = load(profiles={"boards/rpi4.yaml": "x: [\n"}, targets=["browser"])
    assert not loaded.failures


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("int", "keyword of C"),
        ("double", "keyword of C"),
        ("namespace", "keyword of C++"),
        ("await", "keyword of JavaScript"),
        ("stdint", "stdint.h is a header"),
        ("main", "entry point"),
        ("nul", "Windows"),
        ("com1", "Windows"),
        ("anvil", "anvil_"),
        ("anvil_x", "anvil_"),
    ],
)
def test_names_that_c_or_a_file_system_keeps(name: str, words: str) -> None:
    assert words in (reason_against(name) or "")
    assert codes(VALID.replace("digits\n", f"{name}\n", 1)) == ["config.name"]


@pytest.mark.parametrize("name", ["digits", "a", "kws_1", "doubles", "anvils", "com10"])
def test_other_names_are_free(name: str) -> None:
    assert reason_against(name) is None


# The memo


def test_a_memo_changes_nothing() -> None:
    first = load(WITH_REQUIREMENTS)
    memo = json.loads(json.dumps(first.memo))
    assert load(WITH_REQUIREMENTS, memo=memo) == first


def test_a_memo_keeps_what_is_there_and_drops_the_rest() -> None:
    everything = load(VALID).memo
    some = load(VALID, targets=["rpi4"], memo=everything).memo
    assert some == everything
    other = load(VALID.replace("digits", "others"), memo=everything).memo
    assert len(other) == len(everything)
    assert len(other.keys() - everything.keys()) == 1


def test_a_memo_holds_no_file_names() -> None:
    assert "anvil.yaml" not in json.dumps(load(VALID).memo)
    memo = load(VALID, file="a/anvil.yaml").memo
    assert load(VALID, file="b/anvil.yaml", memo=memo).project.model == "b/models/digits.tflite"


@pytest.mark.parametrize(
    "damage", [None, 5, {}, {"value": {}}, {"value": [], "keys": [], "values": []}]
)
def test_a_damaged_memo_is_ignored(damage: object) -> None:
    first = load(VALID)
    assert load(VALID, memo=dict.fromkeys(first.memo, damage)) == first


def test_a_file_with_mistakes_is_not_remembered() -> None:
    profiles = {"boards/rpi4.yaml": "extends: boards/rpi4\nclock: 1\n"}
    first = load(VALID, profiles=profiles)
    second = load(VALID, profiles=profiles, memo=first.memo)
    assert second.failures == first.failures
    assert list(second.failures) == ["rpi4"]


def test_with_a_memo_neither_parser_nor_validator_is_imported(tmp_path: Path) -> None:
    memo = tmp_path / "memo.json"
    memo.write_text(json.dumps(load(VALID).memo))
    program = f"""
import json, sys
from tests.support.configuration import load
memo = json.load(open({str(memo)!r}))
assert len(load(memo=memo).project.targets) == 3
print(sorted({{"yaml", "jsonschema", "numpy", "difflib"}} & set(sys.modules)))
"""
    # The test's own support imports pytest, and pytest difflib: what counts is the rest.
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.stderr == ""
    assert set(json.loads(found.stdout.replace("'", '"'))) <= {"difflib"}


def test_the_repository_s_own_example() -> None:
    text = (ROOT / "anvil.yaml").read_text()
    loaded = load(text)
    assert not loaded.failures
    assert loaded.project.name == "digits"
    assert text.startswith("# yaml-language-server: $schema=schemas/anvil.schema.json\n")
    assert (ROOT / loaded.project.model).is_file()
