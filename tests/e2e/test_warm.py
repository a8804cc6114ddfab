"""The record of a clean build is believed exactly as long as everything is as it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anvil import warm
from tests.support.cli import anvil, forget_costs, write_project
from tests.support.programs import ROOT

_EXAMPLE_MODEL = ROOT / "quantized" / "int8.tflite"
_TARGET = "linux-x86_64"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("warm") / "original"
    write_project(project, "model.tflite", name="digits", targets=f"{{{_TARGET}: {{}}}}")
    shutil.copy(_EXAMPLE_MODEL, project / "model.tflite")
    ended = anvil("build", "--project", project)
    assert ended.returncode == 0, ended.stderr
    return project


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    """A copy that was built in its own place, so that its record is its own."""
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    assert _recorded(copy) is None, "it speaks of the original"
    shutil.rmtree(copy / "build" / ".anvil")
    assert anvil("build", "--project", copy).returncode == 0
    assert _recorded(copy) == [_TARGET]
    return copy


def _recorded(project: Path, targets: tuple[str, ...] | None = None) -> list[str] | None:
    out = str(project / "build")
    key = warm.inputs_key(str(project), out, targets, is_locked=False)
    return None if key is None else warm.warm_targets(out, key)


def test_a_warm_build_imports_no_stage(project: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "anvil", "build", "--project", str(project)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "anvil.warm" in imported
    assert not imported & {"anvil.pipeline", "anvil.config", "yaml", "numpy", "dataclasses"}
    assert "up to date" in ended.stderr


def test_the_warm_answer_is_the_ordinary_one(project: Path) -> None:
    quick = anvil("build", "--json", "--project", project)
    shutil.rmtree(project / "build" / ".anvil")
    ordinary = anvil("build", "--json", "--project", project)
    assert quick.document() == ordinary.document()


@pytest.mark.parametrize(
    "file",
    [
        "anvil.yaml",
        "model.tflite",
        f"build/{_TARGET}/digits",
        f"build/{_TARGET}/plan.json",
        f"build/{_TARGET}/manifest.json",
        f"build/{_TARGET}/project/library/src/digits.c",
    ],
)
def test_a_changed_or_missing_file_is_noticed(project: Path, file: str) -> None:
    path = project / file
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    assert _recorded(project) is None
    path.unlink()
    assert _recorded(project) is None
    path.write_bytes(content)
    if file.endswith("/digits"):
        path.chmod(0o644)
        assert _recorded(project) is None, "a program that cannot be started"
        path.chmod(0o755)
    assert _recorded(project) == [_TARGET]


def test_new_profiles_and_kernels_of_the_project_are_noticed(project: Path) -> None:
    for folder in ("targets/boards", "kernels/conv_2d"):
        (project / folder).mkdir(parents=True)
        (project / folder / "new.yaml").write_text("")
        assert _recorded(project) is None
        (project / folder / "new.yaml").unlink()
    assert _recorded(project) == [_TARGET]


def test_other_targets_are_another_question(project: Path) -> None:
    assert _recorded(project, (_TARGET,)) is None
    assert anvil("build", "--project", project, "--target", _TARGET).returncode == 0
    assert _recorded(project, (_TARGET,)) == [_TARGET]
    assert _recorded(project) == [_TARGET]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"key": 1}'])
def test_a_damaged_record_is_none(project: Path, content: bytes) -> None:
    (record,) = (project / "build" / ".anvil").iterdir()
    record.write_bytes(content)
    assert _recorded(project) is None


def test_a_build_with_something_to_say_keeps_no_record(project: Path) -> None:
    text = (project / "anvil.yaml").read_text()
    (project / "anvil.yaml").write_text(text + "requirements: {max_latency: 1 s}\n")
    forget_costs(project, "x86-64")
    for _ in range(2):
        ended = anvil("build", "--json", "--project", project)
        assert ended.returncode == 0
        assert [d["severity"] for d in ended.document()["diagnostics"]] == ["warning"]


def test_clean_takes_the_records_along(project: Path) -> None:
    assert anvil("clean", "--project", project).returncode == 0
    assert not (project / "build" / ".anvil").exists()
    assert not (project / "build" / _TARGET).exists()


def test_old_records_are_pruned(project: Path) -> None:
    folder = project / "build" / ".anvil"
    for number in range(20):
        path = folder / f"{number:032x}.json"
        path.write_text(json.dumps({}))
        os.utime(path, (number, number))
    (project / "anvil.yaml").write_text((project / "anvil.yaml").read_text() + "# changed\n")
    assert anvil("build", "--project", project).returncode == 0
    assert len(list(folder.iterdir())) == 8
    assert _recorded(project) == [_TARGET]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">/dev/full", "2>/dev/full"])
@pytest.mark.parametrize("option", ["--json", "--quiet", ""])
def test_streams_that_cannot_be_written_show_no_traceback(
    project: Path, closed: str, option: str
) -> None:
    line = f"{sys.executable} -m anvil build --project '{project}' {option} {closed}"
    ended = subprocess.run(
        ["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    is_told = (closed == ">/dev/full" and option == "--json") or closed == "2>/dev/full"
    assert ended.returncode == 0 or (is_told and ended.returncode == 1)


def test_a_link_to_nowhere_in_the_projects_own_folders_is_named(project: Path) -> None:
    (project / "kernels").mkdir()
    (project / "kernels" / "lost.c").symlink_to("nowhere.c")
    ended = anvil("build", "--json", "--project", project)
    assert ended.returncode == 2
    (error,) = ended.document()["diagnostics"]
    assert error["file"].endswith("kernels/lost.c")
