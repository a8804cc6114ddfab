"""Bad input and bad machines: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

from tests.support.cli import Ended, anvil, write_project
from tests.support.failing_models import failing_models
from tests.support.programs import ROOT

_EXAMPLE_MODEL = ROOT / "quantized" / "int8.tflite"
_LINUX = "{linux-x86_64: {}}"


def _build(folder: Path, content: bytes | None, *, file: str = "m.tflite") -> Ended:
    project = write_project(folder, file, targets=_LINUX)
    if content is not None:
        (project / file).write_bytes(content)
    return anvil("build", "--json", "--project", project)


def check_refused(ended: Ended, exit_code: int, *words: str) -> None:
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    errors = [d for d in ended.document()["diagnostics"] if d["severity"] == "error"]
    assert len(errors) == 1, errors
    text = " ".join(str(errors[0][key]) for key in ("message", "hint", "file", "path"))
    for word in words:
        assert word in text, text
    assert errors[0]["hint"], "it says what to do"


@pytest.mark.parametrize("n_bytes", [1, 7, 100, 2000])
def test_a_truncated_model(tmp_path: Path, n_bytes: int) -> None:
    check_refused(_build(tmp_path, _EXAMPLE_MODEL.read_bytes()[:n_bytes]), 2, "m.tflite")


def test_an_empty_model(tmp_path: Path) -> None:
    check_refused(_build(tmp_path, b""), 2, "empty", "m.tflite")


# What the command itself knows about them, whatever their names say.
_SEEN_BEFORE_THE_IMPORTER = {
    "keras": ("model.corrupt", "this .keras model is no whole ZIP archive"),
    "float": ("model.hybrid", "the model's weights are int8 and its activations float32"),
}


@pytest.mark.parametrize("name", sorted(failing_models()))
def test_every_unusable_model_is_one_error_of_the_command(tmp_path: Path, name: str) -> None:
    case = failing_models()[name]
    code, message = _SEEN_BEFORE_THE_IMPORTER.get(name, (case.code, case.message))
    ended = _build(tmp_path, case.content)
    check_refused(ended, 2, message, "m.tflite")
    assert ended.document()["diagnostics"][0]["code"] == code
    assert ended.statuses() == {"linux-x86_64": "invalid"}


def test_a_missing_model_names_the_nearest(tmp_path: Path) -> None:
    project = write_project(tmp_path, "digit.tflite", targets=_LINUX)
    shutil.copy(_EXAMPLE_MODEL, tmp_path / "digits.tflite")
    ended = anvil("build", "--json", "--project", project)
    check_refused(ended, 2, "digit.tflite", "did you mean", "digits.tflite")
    assert ended.document()["diagnostics"][0]["line"] == 3


def test_a_folder_instead_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").mkdir()
    check_refused(_build(tmp_path, None), 2, "folder")


def test_pipes_are_no_models_and_no_data(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.tflite")
    check_refused(_build(tmp_path, None), 2, "no regular file", "m.tflite")
    (tmp_path / "m.tflite").unlink()
    os.mkfifo(tmp_path / "x.npy")
    project = write_project(tmp_path, "m.tflite", targets=_LINUX)
    (project / "m.tflite").write_bytes(_EXAMPLE_MODEL.read_bytes())
    config = project / "anvil.yaml"
    config.write_text(config.read_text() + "data: {evaluation: x.npy, metric: mse}\n")
    ended = anvil("plan", "--json", "--project", project)
    check_refused(ended, 2, "no regular file", "x.npy")


def test_another_kind_of_model(tmp_path: Path) -> None:
    check_refused(_build(tmp_path, b"x", file="m.keras"), 2, ".keras", ".tflite")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    check_refused(_build(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(100)), 2, "PNG")


def test_a_changed_offset(tmp_path: Path) -> None:
    content = bytearray(_EXAMPLE_MODEL.read_bytes())
    content[0:4] = struct.pack("<I", 0x7FFFFFFF)
    check_refused(_build(tmp_path, bytes(content)), 2, "m.tflite")


def test_an_unknown_target(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL)
    ended = anvil("build", "--json", "--project", project, "--target", "nrf52480")
    check_refused(ended, 2, "nrf52480", "nrf52840")


def test_an_unknown_option_and_command() -> None:
    check_refused(anvil("build", "--json", "--taget", "rpi4"), 2, "--target")
    check_refused(anvil("bild", "--json"), 2, "build")
    check_refused(anvil("build", "--json", "--jobs", "0"), 2, "--jobs")


def test_no_project_here(tmp_path: Path) -> None:
    check_refused(anvil("build", "--json", "--project", tmp_path), 2, "anvil.yaml", "--project")
    check_refused(anvil("build", "--json", "--project", tmp_path / "no"), 2, "anvil.yaml")


def test_a_duplicate_key_and_a_tab(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets=_LINUX)
    text = (project / "anvil.yaml").read_text()
    (project / "anvil.yaml").write_text(text + "name: again\n")
    check_refused(anvil("build", "--json", "--project", project), 2, "name")
    (project / "anvil.yaml").write_text(text.replace("{linux-x86_64: {}}", "\n\tlinux-x86_64: {}"))
    check_refused(anvil("build", "--json", "--project", project), 2, "tab")


def test_human_messages_begin_with_file_line_and_column(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets="{rpi_4: {}}")
    ended = anvil("build", "--project", project)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert f"{project / 'anvil.yaml'}:4:11: error: " in ended.stderr
    assert "\x1b" not in ended.stderr


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets=_LINUX)
    (tmp_path / "taken").write_text("")
    ended = anvil("build", "--json", "--project", project, "--out", tmp_path / "taken")
    check_refused(ended, 1, "taken", "--out")


@pytest.mark.parametrize("mounted", ["size=64k", "ro,size=1m"], indirect=True)
def test_a_cache_on_a_full_or_read_only_disk(tmp_path: Path, mounted: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets=_LINUX)
    ended = anvil("build", "--json", "--project", project, ANVIL_CACHE_DIR=str(mounted / "cache"))
    check_refused(ended, 1, str(mounted), "ANVIL_CACHE_DIR")
    assert not (project / "build" / "linux-x86_64").exists()


@pytest.mark.parametrize("mounted", ["ro,size=1m", "size=64k"], indirect=True)
def test_an_output_folder_that_is_full_or_read_only(tmp_path: Path, mounted: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets=_LINUX)
    ended = anvil("build", "--json", "--project", project, "--out", mounted / "out")
    check_refused(ended, 1, str(mounted), "--out")
    assert not list(mounted.rglob("manifest.json"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root ignores permission bits; see the mounts")
def test_a_read_only_output_folder_of_an_ordinary_user(tmp_path: Path) -> None:
    project = write_project(tmp_path, _EXAMPLE_MODEL, targets=_LINUX)
    (tmp_path / "out").mkdir(mode=0o555)
    ended = anvil("build", "--json", "--project", project, "--out", tmp_path / "out")
    check_refused(ended, 1, "out", "--out")
