"""Whether a release is what its signer signed: every difference, each with its file."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.release.checksums import sha256
from anvil.release.documents_check import document_mistakes
from anvil.release.envelope import open_envelope
from anvil.release.files import PROVENANCE, ReleaseFile, shown
from anvil.release.statement import Provenance, read_statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.release.keys import PublicKey

_AGAIN = "get the release again from where it was published"
_EXECUTABLE = "chmod +x sets it; zip archives and web uploads lose it, tar keeps it"


class EntryKind(enum.StrEnum):
    """What stands under a name in a folder."""

    FILE = "a file"
    FOLDER = "a folder"
    LINK = "a symbolic link"
    OTHER = "a pipe, socket or device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a folder says of a name, before anything is opened."""

    kind: EntryKind
    executable: bool = False
    has_special_bits: bool = False  # set-uid, set-gid or sticky


def read_provenance(content: bytes, key: PublicKey) -> Provenance:
    """The signed provenance. Raises AnvilError (exit code 1), its file named."""
    return read_statement(open_envelope(content, key))


def check_listing(provenance: Provenance, listing: Mapping[str, Entry]) -> tuple[Diagnostic, ...]:
    """What is missing, too much or of another kind.

    listing: everything below the release's folder, folders too, by relative path.
    """
    folders = {
        "/".join(parts[: n + 1])
        for parts in (path.split("/")[:-1] for path in provenance.subjects)
        for n in range(len(parts))
    }
    mistakes = []
    for path, entry in sorted(listing.items()):
        if path in provenance.subjects or path == PROVENANCE:
            mistakes += _file_mistakes(provenance, path, entry)
        elif path in folders:
            if entry.kind is not EntryKind.FOLDER:
                mistakes.append(_kind(path, entry, EntryKind.FOLDER))
        else:
            mistakes.append(
                _mistake(
                    "release.extra",
                    path,
                    f"{shown(path)} is {entry.kind.value} that the release does not have",
                    "take it away; what the release has is listed in SHA256SUMS",
                )
            )
    mistakes += [
        _mistake("release.missing", path, f"{path} is missing", _AGAIN)
        for path in sorted(provenance.subjects.keys() - listing.keys())
    ]
    return tuple(mistakes)


def check_contents(
    provenance: Provenance, files: Mapping[str, bytes], key: PublicKey
) -> tuple[Diagnostic, ...]:
    """Which files have other bytes than were signed, and which documents contradict others.

    files: those that `provenance` names and that could be read. Documents are compared only
    where all bytes are right: a changed file is told once.
    """
    mistakes = []
    for path, content in sorted(files.items()):
        expected, found = provenance.subjects[path].sha256, sha256(content)
        if found != expected:
            mistakes.append(
                _mistake(
                    "release.changed",
                    path,
                    f"{path} was changed: its SHA-256 is {found}, and {expected} was signed",
                    _AGAIN,
                )
            )
    if mistakes or files.keys() != provenance.subjects.keys():
        return tuple(mistakes)
    return document_mistakes(provenance, files, key)


def check_release(files: Mapping[str, ReleaseFile], key: PublicKey) -> tuple[Diagnostic, ...]:
    """All that is wrong with a release in memory; empty where it is as it was signed."""
    if PROVENANCE not in files:
        return (_mistake("release.missing", PROVENANCE, f"{PROVENANCE} is missing", _AGAIN),)
    try:
        provenance = read_provenance(files[PROVENANCE].content, key)
    except AnvilError as error:
        return error.diagnostics
    listing = {
        path: Entry(kind=EntryKind.FILE, executable=file.executable) for path, file in files.items()
    }
    listing |= {
        "/".join(parts[: n + 1]): Entry(kind=EntryKind.FOLDER)
        for parts in (path.split("/")[:-1] for path in files)
        for n in range(len(parts))
    }
    known = {path: file.content for path, file in files.items() if path in provenance.subjects}
    return (*check_listing(provenance, listing), *check_contents(provenance, known, key))


def failed(mistakes: tuple[Diagnostic, ...]) -> AnvilError:
    """The error of a release that is not what was signed."""
    return AnvilError(*mistakes, exit_code=ExitCode.FAILED)


def _file_mistakes(provenance: Provenance, path: str, entry: Entry) -> list[Diagnostic]:
    if entry.kind is not EntryKind.FILE:
        return [_kind(path, entry, EntryKind.FILE)]
    subject = provenance.subjects.get(path)
    expected = subject is not None and subject.executable
    mistakes = []
    if entry.executable != expected:
        word = {True: "executable", False: "not executable"}
        mistakes.append(
            _mistake(
                "release.mode",
                path,
                f"{path} is {word[entry.executable]}; it was signed as {word[expected]}",
                _EXECUTABLE if expected else f"chmod -x takes it away; or {_AGAIN}",
            )
        )
    if entry.has_special_bits:
        mistakes.append(
            _mistake(
                "release.mode",
                path,
                f"{path} has a set-uid, set-gid or sticky bit, which no release has",
                "chmod u-s,g-s,-t takes it away",
            )
        )
    return mistakes


def _kind(path: str, entry: Entry, expected: EntryKind) -> Diagnostic:
    return _mistake(
        "release.kind", path, f"{path} is {entry.kind.value}; {expected.value} was signed", _AGAIN
    )


def _mistake(code: str, path: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, file=shown(path), hint=hint)
