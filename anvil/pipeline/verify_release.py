"""anvil verify-release: whether a folder holds what was signed, without any network.

The provenance is read first; nothing else is opened before its signature and every path in
it are found to be right. Names below the folder are opened relative to the open folder and
never through a link.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.pipeline.events import Event, Outcome, TargetOutcome, failed
from anvil.release.check import (
    Entry,
    EntryKind,
    check_contents,
    check_listing,
    read_provenance,
)
from anvil.release.files import CHECKSUMS, PROVENANCE, ReleaseFile
from anvil.release.keys import PublicKey, load_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from anvil.pipeline.events import Listener
    from anvil.process import Cancellation
    from anvil.release.statement import Provenance

_MAX_KEY_BYTES = 1 << 20
_MAX_PROVENANCE_BYTES = 64 << 20
_MAX_FILE_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_HINT = "name the folder that `anvil release` wrote: it holds provenance.intoto.jsonl"
# O_NONBLOCK: a pipe in the place of a file would wait for a writer.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRelease:
    """A release folder as far as it could be read; `files` has the bytes that were checked."""

    provenance: Provenance
    keyid: str
    files: dict[str, ReleaseFile]
    mistakes: tuple[Diagnostic, ...]  # empty where it is what was signed


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnreadableError(Exception):
    """A file that cannot be read; the reason goes on from its name."""

    reason: str


def verify_release(folder: Path, key_file: Path, listener: Listener) -> Outcome:
    """Check a release folder with a public key.

    Raises AnvilError: exit code 2 where the key is none or the folder is no release, 1 where
    the provenance is not what the key's owner signed.
    """
    return outcome_of(check_folder(folder, read_key(key_file), listener))


def verify_and_rebuild(
    folder: Path, key_file: Path, listener: Listener, *, executor: str, cancellation: Cancellation
) -> Outcome:
    """Check a release folder, and where it is what was signed, build it again and compare.

    Raises AnvilError as `verify_release` does, and exit code 1 where another version of Anvil
    made it.
    """
    from anvil.cache.location import user_store
    from anvil.pipeline.rebuild import rebuild

    # Read once: it may come through a pipe, and both parts are to use the same.
    key = read_key(key_file)
    checked = check_folder(folder, key, listener)
    outcome = outcome_of(checked)
    listener(Event(target="", step=""))
    if checked.mistakes:
        return outcome
    rebuilt = rebuild(
        checked.files,
        checked.provenance,
        key,
        listener,
        store=user_store(),
        executor=executor,
        cancellation=cancellation,
    )
    return replace(outcome, targets=rebuilt.targets)


def check_folder(folder: Path, key: PublicKey, listener: Listener) -> CheckedRelease:
    """The files of a release folder with everything that is wrong with them.

    Raises AnvilError as `verify_release` does.
    """
    listener(Event(target="", step="check the provenance"))
    root = _open_root(folder)
    try:
        provenance = read_provenance(_read_provenance(root, folder), key)
        listener(Event(target="", step=f"check {len(provenance.subjects)} files"))
        return _check_files(root, provenance, key)
    finally:
        os.close(root)


def read_key(file: Path) -> PublicKey:
    """The public key in a PEM file. Raises AnvilError (exit code 2)."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="release.key-unreadable",
                message=f"the public key cannot be read: {error.strerror}",
                file=str(file),
                hint="--key names the public key, in PEM form, of who made the release",
            )
        ) from None
    return load_public_key(content, file=str(file))


def outcome_of(checked: CheckedRelease) -> Outcome:
    """What the command says: every target by itself, and what concerns none of them."""
    provenance = checked.provenance
    starts = {target: f"{target}/" for target in provenance.targets}
    targets = []
    for target, start in starts.items():
        own = [one for one in checked.mistakes if (one.file or "").startswith(start)]
        if own:
            targets.append(failed(target, own, ExitCode.FAILED))
        else:
            n_own = sum(path.startswith(start) for path in provenance.subjects)
            targets.append(
                TargetOutcome(
                    target=target,
                    status="passed",
                    exit_code=ExitCode.DONE,
                    details={"files": n_own},
                    note=f"{n_own} files as signed",
                )
            )
    others = [
        one
        for one in checked.mistakes
        if not any((one.file or "").startswith(start) for start in starts.values())
    ]
    name = f"{provenance.name} {provenance.version}".strip()
    state = "is not what was signed" if checked.mistakes else "is what was signed"
    n_files = len(provenance.subjects) + 1
    said = (
        f"{name} {state}: {n_files} files, key {checked.keyid[:16]}, "
        f"built by Anvil {provenance.anvil_version}"
    )
    return Outcome(
        targets=tuple(targets),
        diagnostics=tuple(others),
        exit_codes=(ExitCode.FAILED,) if others else (),
        details={
            "release": {
                "name": provenance.name,
                "version": provenance.version or None,
                "anvil": provenance.anvil_version,
                "keyid": checked.keyid,
                "files": n_files,
                "lock_sha256": provenance.lock_sha256,
            }
        },
        text=(said,),
    )


def _open_root(folder: Path) -> int:
    try:
        return os.open(folder, _OPEN_FOLDER)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _no_release(folder, f"cannot be opened as a folder: {reason}") from None


def _read_provenance(root: int, folder: Path) -> bytes:
    names = _names(root)
    if PROVENANCE not in names:
        if CHECKSUMS not in names:
            raise _no_release(folder, f"is no release: it has neither {PROVENANCE} nor {CHECKSUMS}")
        raise AnvilError(
            Diagnostic(
                code="release.missing",
                message=f"{PROVENANCE} is missing, without which nothing can be checked",
                file=PROVENANCE,
                hint="get the release again from where it was published",
            ),
            exit_code=ExitCode.FAILED,
        )
    try:
        return _read(root, PROVENANCE, _MAX_PROVENANCE_BYTES)
    except _UnreadableError as error:
        raise AnvilError(_unread(PROVENANCE, error.reason), exit_code=ExitCode.FAILED) from None


def _check_files(root: int, provenance: Provenance, key: PublicKey) -> CheckedRelease:
    listing: dict[str, Entry] = {}
    files: dict[str, ReleaseFile] = {}
    mistakes: list[Diagnostic] = []
    folders = {
        "/".join(parts[: n + 1])
        for parts in (path.split("/")[:-1] for path in provenance.subjects)
        for n in range(len(parts))
    }
    waiting: list[tuple[str, int]] = [("", os.dup(root))]
    try:
        while waiting:
            start, opened = waiting.pop()
            try:
                for name in _names(opened):
                    path = start + name
                    listing[path] = entry = _entry(opened, name)
                    try:
                        if entry.kind is EntryKind.FOLDER and path in folders:
                            inner = os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=opened)
                            waiting.append((f"{path}/", inner))
                        elif entry.kind is EntryKind.FILE and path in provenance.subjects:
                            content = _read(opened, name, _MAX_FILE_BYTES)
                            files[path] = ReleaseFile(content=content, executable=entry.executable)
                    except _UnreadableError as error:
                        mistakes.append(_unread(path, error.reason))
                    except OSError as error:
                        mistakes.append(_unread(path, f"cannot be read: {error.strerror}"))
            finally:
                os.close(opened)
    finally:
        for _, opened in waiting:
            os.close(opened)
    mistakes += check_listing(provenance, listing)
    contents = {path: file.content for path, file in files.items()}
    mistakes += check_contents(provenance, contents, key)
    return CheckedRelease(
        provenance=provenance,
        keyid=key.keyid,
        files=files,
        mistakes=_sorted(mistakes),
    )


def _sorted(mistakes: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(mistakes, key=lambda one: (one.file or "", one.code, one.message)))


def _names(opened: int) -> list[str]:
    with os.scandir(opened) as entries:
        return sorted(entry.name for entry in entries)


def _entry(opened: int, name: str) -> Entry:
    mode = os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode
    kinds: Sequence[tuple[bool, EntryKind]] = (
        (stat.S_ISREG(mode), EntryKind.FILE),
        (stat.S_ISDIR(mode), EntryKind.FOLDER),
        (stat.S_ISLNK(mode), EntryKind.LINK),
    )
    return Entry(
        kind=next((kind for holds, kind in kinds if holds), EntryKind.OTHER),
        executable=bool(mode & 0o111),
        has_special_bits=bool(mode & 0o7000),
    )


def _read(opened: int, name: str, limit: int) -> bytes:
    try:
        file = os.open(name, _OPEN_FILE, dir_fd=opened)
    except OSError as error:
        raise _UnreadableError(reason=f"cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _UnreadableError(reason="is no regular file")
        blocks = []
        left = limit + 1
        while left > 0 and (block := os.read(file, min(_BLOCK_BYTES, left))):
            blocks.append(block)
            left -= len(block)
    except OSError as error:
        raise _UnreadableError(reason=f"cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    if left <= 0:
        raise _UnreadableError(reason=f"has more than {limit:,} bytes, which no release has")
    return b"".join(blocks)


def _unread(path: str, reason: str) -> Diagnostic:
    return Diagnostic(code="release.unreadable", message=f"{path} {reason}", file=path)


def _no_release(folder: Path, reason: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="release.no-release",
            message=f"{folder} {reason}",
            file=str(folder),
            hint=_HINT,
        )
    )
