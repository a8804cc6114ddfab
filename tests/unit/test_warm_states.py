"""How a warm build knows that the model and the data are what they were."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from anvil import warm

if TYPE_CHECKING:
    from pathlib import Path


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (("a/1", b"one"), ("a/2", b"two"), ("b/1", b"three")):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "data"


def test_a_folder_is_its_files_by_content_and_place(folder: Path) -> None:
    before = warm.state_of(str(folder))
    _age(folder / "a/1", 100)
    assert warm.state_of(str(folder)) == before
    (folder / "a/1").rename(folder / "b/2")
    moved = warm.state_of(str(folder))
    assert moved != before
    (folder / "b/2").write_bytes(b"One")
    assert warm.state_of(str(folder)) not in (before, moved)
    changed = warm.state_of(str(folder))
    (folder / "c").mkdir()
    assert warm.state_of(str(folder)) != changed


def test_a_link_is_what_it_leads_to_and_a_loop_has_no_state(folder: Path) -> None:
    (folder / "link").symlink_to("b")
    before = warm.state_of(str(folder))
    (folder / "b/1").write_bytes(b"3")
    assert warm.state_of(str(folder)) != before
    (folder / "a/up").symlink_to("..")
    assert warm.states_of([str(folder)]) is None


def test_what_is_large_is_known_by_its_times(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "_LARGE_BYTES", 8)  # each file is smaller, the folder larger
    assert warm.states_of([str(folder)]) is None, "new files may change within a tick"
    monkeypatch.setattr(warm, "_TICK_NS", 0)
    before = warm.state_of(str(folder))
    assert warm.state_of(str(folder)) == before
    _age(folder / "a/1", 100)
    assert warm.state_of(str(folder)) != before


@pytest.mark.parametrize("name", ["images", "requirements"])
def test_a_locked_build_asks_anew_where_what_the_lock_is_compared_with_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project, data = tmp_path / "project", tmp_path / "data"
    for folder in (project, data / name):
        folder.mkdir(parents=True)
    (project / "anvil.yaml").write_text("version: 1\n")
    monkeypatch.setattr(warm, "DATA_ROOT", str(data))

    def keys() -> tuple[str | None, str | None]:
        places = (str(project), str(tmp_path / "build"), None)
        return tuple(warm.inputs_key(*places, is_locked=locked) for locked in (False, True))  # type: ignore[return-value]

    (data / name / "file").write_text("before")
    before = keys()
    (data / name / "file").write_text("after")
    unlocked, locked = keys()
    assert unlocked == before[0], "nothing of a build without a lock is made of it"
    assert locked not in (before[1], None)
