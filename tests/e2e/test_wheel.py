"""The wheel: what is in it, and that what is installed from it works from any folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import anvil, write_project
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DATA_FOLDERS = ("kernels", "schemas", "targets", "templates")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_every_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"anvil/_data/{path.relative_to(ROOT).as_posix()}"
        for folder in DATA_FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"anvil/_data/requirements/{name}.txt" for name in ("anvil", "tensorflow")}
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "anvil").rglob("*.py")}
    assert expected <= names
    others = {name for name in names if not name.startswith("anvil")}
    assert others == set()


def test_the_installed_program_finds_its_data_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    program = "import sys; sys.path.insert(0, '../site'); from anvil.cli import main; "
    completed = subprocess.run(
        [sys.executable, "-I", "-c", f"{program} sys.exit(main(['targets', '--json']))"],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    listed = {row["target"] for row in json.loads(completed.stdout)["targets"]}
    assert listed == {path.stem for path in (ROOT / "targets" / "boards").glob("*.yaml")}


def test_a_lock_of_the_repository_holds_for_the_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    project = write_project(tmp_path / "project", "int8.tflite", targets="{browser: {}}")
    shutil.copy(ROOT / "quantized" / "int8.tflite", project)
    assert anvil("lock", "--project", project).returncode == 0
    program = "import sys; sys.path.insert(0, '../site'); from anvil.cli import main; "
    completed = subprocess.run(
        [sys.executable, "-I", "-c", f"{program} sys.exit(main(['lock', '--check']))"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    assert "anvil.lock holds" in completed.stderr


def test_the_wheel_asks_for_the_very_tools_that_actions_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = set(re.findall(r"^([a-z-]+)==(\S+)$", "\n".join(project["dependencies"]), re.MULTILINE))
    named = {
        tool
        for path in (ROOT / "anvil" / "build").glob("*.py")
        for tool in re.findall(r'\("([a-z-]+)", "([0-9.]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert ("platformio", "6.2.0") in named
    assert named <= pins
