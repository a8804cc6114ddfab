"""anvil diff: what changed per target between two builds, plans or releases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.diff.compare import compare
from anvil.diff.documents import MANIFEST, MEASURED, PLAN, Snapshot, kind_of, parse, snapshot
from anvil.diff.limits import exceeded, parse_limits
from anvil.diff.text import as_markdown, as_text, clean
from anvil.pipeline.events import Outcome, TargetOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DOCUMENTS = (PLAN, MEASURED, MANIFEST)
_DEPTH = 3  # of folders: a job's, a project's build/, a target's
_LARGEST_BYTES = 64 * 2**20


def diff(
    base: Path, head: Path, *, fail_on: Sequence[str] = (), max_bytes: int | None = None
) -> tuple[Outcome, dict[str, str]]:
    """Compare two sides, and the result as `text` and `markdown`.

    Each side is a document, a target's folder, or a folder of such folders; what belongs
    together has the same relative path. The outcome fails (exit 1) where a limit of `fail_on`
    is broken. Raises AnvilError (exit 2) with every mistake in the files of both sides.
    """
    limits = parse_limits(fail_on)
    sides: list[dict[str, Snapshot]] = []
    problems: list[Diagnostic] = []
    for path in (base, head):
        try:
            sides.append(_read_side(path))
        except AnvilError as error:
            problems += error.diagnostics
    if problems:
        raise AnvilError(*dict.fromkeys(problems))
    changes = compare(*sides)
    broken = exceeded(changes, limits)
    failed = any(one.severity is Severity.ERROR for one in broken)
    outcome = Outcome(
        targets=tuple(
            TargetOutcome(
                target=clean(one.label),
                status=one.status,
                exit_code=ExitCode.DONE,
                details=one.as_json(),
            )
            for one in changes
        ),
        diagnostics=broken,
        exit_codes=(ExitCode.FAILED,) if failed else (),
    )
    forms = {"text": as_text(changes), "markdown": as_markdown(changes, max_bytes=max_bytes)}
    return outcome, forms


def _read_side(path: Path) -> dict[str, Snapshot]:
    """Every target of a side by its relative path; one that is named itself has the path `.`."""
    if not path.is_dir():
        kind, document = parse(_content(path), str(path))
        return {".": snapshot({kind: document}, {kind: str(path)})}
    found: dict[str, Snapshot] = {}
    problems: list[Diagnostic] = []
    for folder in _target_folders(path, _DEPTH):
        try:
            found[folder.relative_to(path).as_posix()] = _read_target(folder)
        except AnvilError as error:
            problems += error.diagnostics
    if problems:
        raise AnvilError(*problems)
    if not found:
        raise _wrong(path, "there is no built target in this folder")
    return found


def _target_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Folders that hold documents of a build; what lies below one is no target."""
    if any((folder / name).is_file() for name in _DOCUMENTS) and not _is_foreign(folder):
        yield folder
        return
    if depth == 0:
        return
    try:
        inner = sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())
    except OSError as error:
        raise _wrong(folder, f"cannot read it: {error.strerror}") from None
    for one in inner:
        if not one.name.startswith("."):
            yield from _target_folders(one, depth - 1)


def _is_foreign(folder: Path) -> bool:
    """Whether the only document is a manifest.json of another program."""
    import json

    if any((folder / name).is_file() for name in (PLAN, MEASURED)):
        return False
    try:
        return kind_of(json.loads(_content(folder / MANIFEST))) is None
    except (AnvilError, ValueError, RecursionError):
        # One that cannot be read is told of.
        return False


def _read_target(folder: Path) -> Snapshot:
    documents: dict[str, dict[str, Any]] = {}
    files = {}
    problems: list[Diagnostic] = []
    for name in _DOCUMENTS:
        file = folder / name
        if not os.path.lexists(file):
            continue
        try:
            kind, documents[name] = parse(_content(file), str(file))
            if kind != name:
                message = f"it holds what belongs into {kind}"
                raise _wrong(file, message)
        except AnvilError as error:
            problems += error.diagnostics
        files[name] = str(file)
    if problems:
        raise AnvilError(*problems)
    return snapshot(documents, files)


def _content(path: Path) -> bytes:
    try:
        # A pipe or a device would be waited for without end.
        if path.exists() and not path.is_file():
            raise _wrong(path, "it is neither a file nor a folder")
        if path.stat().st_size > _LARGEST_BYTES:
            raise _wrong(path, f"it has more than {_LARGEST_BYTES // 2**20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise _wrong(path, "it is not there") from None
    except OSError as error:
        raise _wrong(path, f"cannot read it: {error.strerror}") from None


def _wrong(path: Path, message: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="diff.unreadable",
            message=message,
            file=str(path),
            hint="name a plan.json, measured.json or manifest.json, a target's folder such as "
            "build/nrf52840, or a folder of such folders: build/ or dist/",
        )
    )
