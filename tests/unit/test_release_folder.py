"""The folder of a release: replaced as a whole, and only where it is one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.pipeline.release import differences_folder
from anvil.pipeline.release_folder import (
    check_differences_folder,
    check_replaceable,
    replace_folder,
    write_release,
)
from anvil.release.checksums import sha256, write_checksums
from anvil.release.files import CHECKSUMS, PROVENANCE, ReleaseFile
from tests.support.releasing import files_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def made(content: bytes) -> dict[str, ReleaseFile]:
    """What looks like a release."""
    files = {
        "rpi4/digits": ReleaseFile(content=content, executable=True),
        "anvil.lock": ReleaseFile(content=b"lock"),
    }
    digests = {path: sha256(file.content) for path, file in files.items()}
    files[CHECKSUMS] = ReleaseFile(content=write_checksums(digests))
    files[PROVENANCE] = ReleaseFile(content=b"signed")
    return files


class Interrupted(Mapping[str, ReleaseFile]):
    """The files of a release whose writing is interrupted in the middle."""

    def __init__(self, files: dict[str, ReleaseFile]) -> None:
        self._files = files

    def __getitem__(self, path: str) -> ReleaseFile:
        if path == PROVENANCE:
            raise KeyboardInterrupt
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def test_a_release_is_written_and_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "dist"
    for content in (b"first", b"second"):
        check_replaceable(folder)
        write_release(folder, made(content))
        assert files_of(folder) == made(content)
        assert [path.name for path in folder.parent.iterdir()] == ["dist"], "nothing beside it"


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o077)
    try:
        write_release(tmp_path / "dist", made(b""))
    finally:
        os.umask(former)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "dist").rglob("*")}
    assert modes == {0o755, 0o644}
    assert (tmp_path / "dist").stat().st_mode & 0o777 == 0o755


def test_an_interrupted_release_leaves_the_former_one(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    write_release(folder, made(b"first"))
    with pytest.raises(KeyboardInterrupt):
        write_release(folder, Interrupted(made(b"second")))
    assert files_of(folder) == made(b"first")
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]


def test_a_link_stays_and_leads_to_the_new_release(tmp_path: Path) -> None:
    write_release(tmp_path / "large-disk", made(b"first"))
    link = tmp_path / "dist"
    link.symlink_to(tmp_path / "large-disk")
    check_replaceable(link)
    write_release(link, made(b"second"))
    assert link.is_symlink()
    assert files_of(tmp_path / "large-disk") == made(b"second")


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    check_replaceable(tmp_path / "dist")
    write_release(tmp_path / "dist", made(b""))
    assert files_of(tmp_path / "dist") == made(b"")


@pytest.mark.parametrize(
    ("occupy", "words"),
    [
        (lambda folder: (folder / "thesis.txt").write_text("x"), "more than the release: thesis"),
        (lambda folder: (folder / "rpi4" / "notes").symlink_to("/"), "more than the release: rpi4"),
        (lambda folder: (folder / CHECKSUMS).unlink(), "no release"),
        (lambda folder: (folder / CHECKSUMS).write_text("nothing"), "no release"),
        (lambda folder: (folder / PROVENANCE).unlink(), "no release"),
    ],
)
def test_what_is_no_release_is_never_overwritten(
    tmp_path: Path, occupy: object, words: str
) -> None:
    folder = tmp_path / "dist"
    write_release(folder, made(b"first"))
    assert callable(occupy)
    occupy(folder)
    with pytest.raises(AnvilError, match=words) as caught:
        check_replaceable(folder)
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_a_file_in_its_place_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("x")
    with pytest.raises(AnvilError, match="it is no folder"):
        check_replaceable(tmp_path / "dist")


def test_a_folder_that_cannot_be_written_is_exit_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AnvilError) as caught:
        write_release(tmp_path / "file" / "dist", made(b""))
    assert caught.value.exit_code is ExitCode.FAILED


def test_a_folder_of_others_is_not_taken_for_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = differences_folder(tmp_path / "dist")
    check_differences_folder(folder)
    replace_folder(folder, {"first/rpi4/digits": b"1", "second/rpi4/digits": b"2"})
    check_differences_folder(folder)  # of a release that was interrupted
    (folder / "thesis.txt").write_text("x")
    with pytest.raises(AnvilError, match=r"it holds thesis\.txt") as caught:
        check_differences_folder(folder)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(AnvilError, match="it is no folder"):
        check_differences_folder(tmp_path / "link")
    monkeypatch.chdir(tmp_path)
    assert differences_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}-differences")
