"""What anvil.lock asks of every command: what differs, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.lock.advice import advice, message
from anvil.lock.compare import Difference, differences
from anvil.lock.document import FILE_NAME
from anvil.pipeline.built_in_schemas import read_schemas
from anvil.pipeline.found_lock import as_locked, found_lock
from anvil.pipeline.lock_file import LockFile, missing, position, read_lock
from anvil.pipeline.locked_image import image_to_compare
from anvil.pipeline.sources import read_sources

if TYPE_CHECKING:
    from anvil.pipeline.workspace import Workspace


def held_to_lock(workspace: Workspace) -> Workspace:
    """The workspace with its lock, for a command with --locked.

    Which candidate each target is built from is compared as soon as that is known. Raises
    AnvilError: exit 1 naming each difference, exit 2 where the lock is missing or wrong.
    """
    locked = required_lock(workspace)
    changed = changed_entries(workspace, locked, is_whole=False)
    if changed:
        raise AnvilError(
            *(as_diagnostic(one, locked) for one in changed), exit_code=ExitCode.FAILED
        )
    workspace.executors.hold_to_lock()
    return replace(workspace, lock=locked.lock)


def drift(workspace: Workspace) -> tuple[Diagnostic, ...]:
    """A warning where a command without --locked uses other things than the lock names."""
    try:
        locked = read_lock(workspace.folder, read_schemas(), workspace.store)
        if locked is None:
            return ()
        changed = changed_entries(workspace, locked, is_whole=False)
    except AnvilError as error:
        return tuple(replace(one, severity=Severity.WARNING) for one in error.diagnostics)
    if not changed:
        return ()
    names = ", ".join(dict.fromkeys(one.entry for one in changed))
    return (
        Diagnostic(
            code="lock.drift",
            severity=Severity.WARNING,
            message=f"{FILE_NAME} is not followed in {names}",
            file=locked.document.file,
            hint="`anvil lock --check` lists how, `anvil lock` takes over what is found, and "
            "--locked refuses to go on",
        ),
    )


def required_lock(workspace: Workspace) -> LockFile:
    """The lock. Raises AnvilError (exit 2) where it is missing or wrong."""
    found = read_lock(workspace.folder, read_schemas(), workspace.store)
    if found is None:
        raise missing(workspace.folder)
    return found


def changed_entries(
    workspace: Workspace, locked: LockFile, *, is_whole: bool
) -> tuple[Difference, ...]:
    """What differs; with `is_whole` also targets of the lock that the command does not name."""
    image = image_to_compare(locked.lock.image)
    found = found_lock(workspace, read_sources(workspace), as_locked(locked.lock), image)
    kept = locked.lock if is_whole else locked.lock.restricted(found)
    return differences(kept, found)


def as_diagnostic(difference: Difference, locked: LockFile) -> Diagnostic:
    """A difference as an error at its place in the lock."""
    return Diagnostic(
        code="lock.differs",
        message=message(difference),
        path=difference.name,
        hint=advice(difference),
        **position(locked.document, difference.path),
    )
