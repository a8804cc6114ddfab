"""anvil init, and that what it writes builds as it is."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.cli import Ended, anvil
from tests.support.programs import ROOT
from tests.unit.test_starter import loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_EXAMPLE = ROOT / "examples" / "digits"
_MODEL = ROOT / "quantized" / "int8.tflite"


def _init(folder: Path, *words: object) -> Ended:
    return anvil("init", "--project", folder, *words)


def _written(folder: Path) -> str:
    return (folder / "anvil.yaml").read_text(encoding="utf-8")


def _fails(ended: Ended, *words: str, code: int = 2) -> None:
    assert ended.returncode == code, ended.stderr
    for word in words:
        assert word in ended.stderr
    assert "hint:" in ended.stderr


def test_the_example_s_model_with_its_data_builds(tmp_path: Path, built_example: Path) -> None:
    del built_example  # it warms the cache
    shutil.copy(_MODEL, tmp_path / "digits.int8.tflite")
    for name in ("calibration.npz", "evaluation.npz"):
        shutil.copy(_EXAMPLE / name, tmp_path)
    ended = _init(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert f"next: anvil build --project {tmp_path}" in ended.stderr
    document = yaml.safe_load(_written(tmp_path))
    assert document == {
        "version": 1,
        "name": "digits",
        "model": "digits.int8.tflite",
        "data": {
            "calibration": "calibration.npz",
            "evaluation": "evaluation.npz",
            "metric": "top1",
        },
        "targets": {path.stem: {} for path in (ROOT / "targets" / "boards").iterdir()},
    }
    built = anvil("build", "--project", tmp_path, "--json")
    assert built.returncode == 0, built.stderr
    assert set(built.statuses().values()) == {"built"}


@pytest.mark.parametrize("name", ["ad", "ic", "kws", "sww", "vww"])
def test_the_published_models_build(
    name: str, tmp_path: Path, shared_model: Callable[[str], Path]
) -> None:
    model = shared_model(f"{name}.int8.tflite")
    ended = _init(tmp_path, model, "--json")
    assert ended.returncode == 0, ended.stderr
    document = ended.document()
    assert document["name"] == name
    assert "nrf52840" in document["target_names"]
    if name == "sww":
        assert document["data"]["keys"] == {"x": "specs", "y": "labels"}
        assert document["data"]["calibration"].endswith("sww.calibration.npz")
    else:
        assert document["data"]["calibration"] is None
    built = anvil("build", "--project", tmp_path, "--target", "browser", "--json")
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize(
    ("name", "described", "too_small"),
    [
        ("vww.h5", "input 96 x 96 x 3 float32; output 2", {"microbit", "hifive1-revb"}),
        ("ic.h5", "input 32 x 32 x 3 float32; output 10", set()),
        ("ad.h5", "input 640 float32; output 640", {"microbit"}),
        ("sww.h5", "input 30 x 1 x 40 float32; output 3", set()),
        ("kws_saved_model/saved_model.pb", "input 49 x 10 x 1 float32; output 12 float32", set()),
    ],
)
def test_float_models_are_described_without_tensorflow(
    name: str,
    described: str,
    too_small: set[str],
    tmp_path: Path,
    shared_model: Callable[[str], Path],
) -> None:
    path = shared_model(name)
    model = path.parent if path.suffix == ".pb" else path
    ended = _init(tmp_path, model)
    assert ended.returncode == 0, ended.stderr
    assert described in ended.stderr
    project = loaded(_written(tmp_path)).project
    boards = {path.stem for path in (ROOT / "targets" / "boards").iterdir()}
    assert {request.target.name for request in project.targets} == boards - too_small
    assert (tmp_path / project.model).resolve() == model.resolve()


def test_a_keras_file_tells_its_input(tmp_path: Path) -> None:
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 7], "name": "x"}}]
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    ended = _init(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "net.keras: input 7" in ended.stderr


def test_a_shape_that_no_build_takes_is_refused(tmp_path: Path) -> None:
    layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, None, 3], "name": "x"}}]
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    _fails(_init(tmp_path), "input 'x' takes ? x 3", "only the batch may be open")
    assert not (tmp_path / "anvil.yaml").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    shutil.copy(_MODEL, tmp_path / "digits.int8.tflite")
    (tmp_path / "anvil.yaml").write_text("mine\n", encoding="utf-8")
    _fails(_init(tmp_path), "there is", "anvil.yaml already", "--force")
    assert _written(tmp_path) == "mine\n"
    assert _init(tmp_path, "--force").returncode == 0
    assert loaded(_written(tmp_path)).project.name == "digits"
    # A link that leads nowhere is somebody's, too.
    (tmp_path / "anvil.yaml").unlink()
    (tmp_path / "anvil.yaml").symlink_to("nowhere.yaml")
    _fails(_init(tmp_path), "anvil.yaml already")


def test_the_model_is_found_one_folder_below(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "build" / "rpi4").mkdir(parents=True)
    shutil.copy(_MODEL, tmp_path / "models" / "My Words.tflite")
    shutil.copy(_MODEL, tmp_path / "build" / "left.tflite")
    assert _init(tmp_path).returncode == 0
    document = yaml.safe_load(_written(tmp_path))
    assert (document["name"], document["model"]) == ("my_words", "models/My Words.tflite")


def test_no_model_and_several(tmp_path: Path) -> None:
    _fails(_init(tmp_path), "there is no model in", "anvil init MODEL")
    for name in ("b.tflite", "a.keras"):
        shutil.copy(_MODEL, tmp_path / name)
    _fails(_init(tmp_path), "2 models", "a.keras, b.tflite", "a.keras")
    assert not (tmp_path / "anvil.yaml").exists()


def test_a_large_model_leaves_out_the_small_board(
    tmp_path: Path, shared_model: Callable[[str], Path]
) -> None:
    boards = tmp_path / "targets" / "boards"
    boards.mkdir(parents=True)
    (boards / "tiny.yaml").write_text(
        "extends: boards/nrf52840\nboard: A tiny board\nstack: 1 KiB\n"
        "memory:\n  flash: {origin: 0x0, size: 64 KiB}\n"
        "  ram: {origin: 0x20000000, size: 16 KiB}\n",
        encoding="utf-8",
    )
    ended = _init(tmp_path, shared_model("vww.int8.tflite"))
    assert ended.returncode == 0, ended.stderr
    assert "left out     tiny: " in ended.stderr
    text = _written(tmp_path)
    assert "# tiny is left out: " in text
    assert "tiny" not in yaml.safe_load(text)["targets"]
    _init(tmp_path, _MODEL, "--force")
    assert "tiny" in yaml.safe_load(_written(tmp_path))["targets"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.onnx", b"", ".onnx file"),
        ("a", b"", "nameless file"),
        ("a.tflite", b"not one", "a.tflite"),
        ("a.keras", b"not a zip", "no zip archive"),
        ("a.h5", b"not HDF5", "no HDF5 file"),
    ],
)
def test_what_is_no_model(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    _fails(_init(tmp_path, tmp_path / name), said)
    assert not (tmp_path / "anvil.yaml").exists()


def test_zip_archives_and_folders_that_are_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    _fails(_init(tmp_path, tmp_path / "empty.keras"), "no config.json")
    (tmp_path / "folder").mkdir()
    _fails(_init(tmp_path, tmp_path / "folder"), "without saved_model.pb")
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"\x12\xff")
    _fails(_init(tmp_path, tmp_path / "folder"), "damaged")
    _fails(_init(tmp_path, tmp_path / "missing.tflite"), "there is no model")
    _fails(_init(tmp_path / "nowhere", _MODEL), "there is no folder")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.tflite")
    shutil.copy(_MODEL, odd)
    _fails(_init(tmp_path), "no text of one line", "rename it")
    odd.rename(tmp_path / "two\nlines.tflite")
    _fails(_init(tmp_path), "no text of one line")
    assert not (tmp_path / "anvil.yaml").exists()


def test_help_and_completion_know_it() -> None:
    for command in ("init", "report"):
        assert f"anvil {command}" in anvil(command, "--help").stdout
        assert command in anvil("completion", "bash").stdout
