"""The folder of a release on disk: replaced as a whole, and only where it is a release."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.package.install import unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anvil.release.files import ReleaseFile

DIFFERENCES = "differences.txt"
DIFFERENCES_FILES = ("first", "second", DIFFERENCES)  # all that is kept of two builds

_AT_FDCWD = -100  # the current folder, for renameat2(2)
_RENAME_EXCHANGE = 2


def check_replaceable(folder: Path) -> None:
    """Raise AnvilError (exit 2) where `folder` holds anything that no release wrote."""
    from anvil.release.checksums import read_checksums
    from anvil.release.files import CHECKSUMS, PROVENANCE

    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise _occupied(folder, "it is no folder")
    try:
        listed = read_checksums((folder / CHECKSUMS).read_bytes())
    except OSError:
        listed = None
    if listed is None or not (folder / PROVENANCE).is_file():
        # One file is enough to know: a home or a root would take long to look through.
        if next(_files_below(folder), None) is None:
            return
        raise _occupied(folder, "it is no release of Anvil")
    found = {path.relative_to(folder).as_posix() for path in _files_below(folder)}
    others = sorted(found - {*listed, CHECKSUMS, PROVENANCE})
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise _occupied(folder, f"it holds more than the release: {shown}")


def check_differences_folder(folder: Path) -> None:
    """Raise AnvilError (exit 2) where what is kept of two builds would replace anything else."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise _occupied(folder, "it is no folder, and builds that differ are kept there")
    others = sorted({entry.name for entry in os.scandir(folder)} - set(DIFFERENCES_FILES))
    if others:
        raise _occupied(folder, f"builds that differ are kept there, and it holds {others[0]}")


def _files_below(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))
        else:
            yield Path(entry.path)


def _occupied(folder: Path, why: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="release.occupied",
            message=f"{folder} is not replaced: {why}",
            file=str(folder),
            hint="name another folder with --out, or move it away",
        )
    )


def write_release(folder: Path, files: Mapping[str, ReleaseFile]) -> None:
    """Write the release beside `folder`, and put it there in one step.

    What was there before stays until then, and goes afterwards. Raises AnvilError (exit 1) where
    it cannot be written.
    """
    folder = folder.resolve()  # a link stays, and leads to the new release
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=f".{folder.name}.", ignore_cleanup_errors=True
        ) as name:
            new = Path(name) / "new"
            _write(new, files)
            if folder.is_dir():
                _exchange(folder, new, Path(name) / "former")
            else:
                new.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def _write(folder: Path, files: Mapping[str, ReleaseFile]) -> None:
    for path, file in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(0o755 if file.executable else 0o644)
    for made in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        made.chmod(0o755)


def _exchange(folder: Path, new: Path, former: Path) -> None:
    """Put `new` in the place of `folder`: at once where the system can, else in two steps."""
    with contextlib.suppress(AttributeError, OSError):
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        words = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(folder), _RENAME_EXCHANGE)
        if rename(*words) == 0:
            return
    folder.rename(former)
    try:
        new.rename(folder)
    except BaseException:
        former.rename(folder)
        raise


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold `files` alone; for folders of Anvil's own. Raises OSError."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
