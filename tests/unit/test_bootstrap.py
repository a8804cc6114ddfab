"""bootstrap.py, in a folder of its own; what needs the network is the README's first command."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path) -> Any:  # noqa: ANN401  a module
    """bootstrap.py as if the clone were `folder`."""
    (folder / "requirements").mkdir(parents=True, exist_ok=True)
    for name in (
        "bootstrap.py",
        "pyproject.toml",
        "requirements/anvil.txt",
        "requirements/test.txt",
    ):
        shutil.copy(ROOT / name, folder / name)
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prefix_of(python: Path) -> str:
    code = "import sys; print(sys.prefix)"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_environment_is_made_once(tmp_path: Path) -> None:
    bootstrap = load(tmp_path)
    bootstrap.create_environment()
    assert prefix_of(tmp_path / ".venv/bin/python") == str(tmp_path / ".venv")
    (tmp_path / ".venv/mine").touch()
    bootstrap.create_environment()
    assert (tmp_path / ".venv/mine").exists()


def test_a_moved_clone_gets_a_new_environment(tmp_path: Path) -> None:
    load(tmp_path / "old").create_environment()
    (tmp_path / "old/.venv/stale").touch()
    (tmp_path / "old").rename(tmp_path / "new")
    load(tmp_path / "new").create_environment()
    assert not (tmp_path / "new/.venv/stale").exists()
    assert prefix_of(tmp_path / "new/.venv/bin/python") == str(tmp_path / "new/.venv")


def test_an_environment_of_somebody_else_s_keeps_its_files(tmp_path: Path) -> None:
    bootstrap = load(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/mine").touch()
    bootstrap.create_environment()
    assert (tmp_path / ".venv/mine").exists()


def test_changed_requirements_are_installed_again(tmp_path: Path) -> None:
    bootstrap = load(tmp_path)
    (tmp_path / ".venv").mkdir()
    assert not bootstrap.is_installed("anvil")
    stamp, content = bootstrap.stamp_of("anvil")
    stamp.write_text(content)
    assert bootstrap.is_installed("anvil")
    assert not bootstrap.is_installed("test")
    with (tmp_path / "requirements/anvil.txt").open("a") as file:
        file.write("# changed\n")
    assert not bootstrap.is_installed("anvil")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / ".venv").write_text("a file where the environment belongs")
    completed = subprocess.run(
        [sys.executable, "bootstrap.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 1
    assert f"bootstrap: cannot set up {tmp_path / '.venv'}" in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX file name")
def test_python_without_pip_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = load(tmp_path)
    bootstrap.create_environment()
    # The new environment has no pip, which makes its Python one without; and no ensurepip.
    python = tmp_path / ".venv/bin/python"
    hidden = tmp_path / ".venv/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (hidden / "hide.pth").write_text("import sys; sys.modules['ensurepip'] = None\n")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(bootstrap.SetupError, match=r"it has no pip.*apt-get install python3-pip"):
        bootstrap.pip_command()
