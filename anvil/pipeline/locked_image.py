"""Which root file system a project is locked to, and which one its builds run in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.lock.compare import shown
from anvil.lock.document import FILE_NAME
from anvil.pipeline.lock_file import missing, read_lock

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.cache.store import Store
    from anvil.core.image import Image

_BUILD = "anvil image build"
_GET = f"`{_BUILD}` makes it of the packages in the lock, `anvil image import FILE` brings it"


def image_to_use(
    store: Store, project: Path, *, is_locked: bool
) -> tuple[Image | None, str | None]:
    """The root file system for a project's builds, and what is to be said of the choice.

    It is the one that anvil.lock names. Where there is no lock, or it names none, or that one is
    not on this machine, it is the newest of the current definition; None without any.

    is_locked: take no other than the lock's. Raises AnvilError then: exit 1 where it names none
    or that is not here, exit 2 where there is no lock that can be read.
    """
    from anvil.image.store import find_image

    locked = locked_image(store, project, is_locked=is_locked)
    found = None if locked is None else find_image(store, locked.sha256)
    if found is not None:
        return found, None
    if is_locked:
        raise _not_here(project, locked)
    newest = newest_here(store)
    if newest is None or locked is None:
        return newest, None
    return newest, (
        f"{FILE_NAME} names the root file system {shown(locked.sha256)}, which is not here: "
        f"{shown(newest.sha256)} is taken"
    )


def image_to_lock(store: Store, locked: Image | None) -> Image | None:
    """The root file system that a lock written now names; None without any.

    It is the one that the former lock names where that is here; otherwise the newest of the
    current definition, or the locked one although it is elsewhere: one machine may have none and
    lock the rest.
    """
    from anvil.image.store import find_image

    is_current = locked is not None and locked.definition == definition_digest()
    current = locked if is_current else None
    if current is not None and find_image(store, current.sha256) is not None:
        return current
    return newest_here(store) or current


def newest_here(store: Store) -> Image | None:
    """This machine's newest root file system of the current definition."""
    from anvil.image.store import newest_image

    return newest_image(store, definition_digest())


def no_image() -> AnvilError:
    """What is said where there is none to take over (exit 1)."""
    return AnvilError(
        Diagnostic(
            code="lock.no-image",
            message="there is no root file system of the current definition on this machine",
            hint=f"`{_BUILD}` makes one, `anvil image import FILE` brings one",
        ),
        exit_code=ExitCode.FAILED,
    )


def image_to_compare(locked: Image | None) -> Image | None:
    """What a lock's root file system is compared with, wherever it is.

    Which machine has it is no difference of the project; another definition is one.
    """
    return None if locked is None else replace(locked, definition=definition_digest())


def definition_digest() -> str:
    """The digest of what this Anvil makes a root file system from."""
    from anvil.pipeline.images import current_definition

    return current_definition().digest


def locked_image(store: Store, project: Path, *, is_locked: bool = False) -> Image | None:
    """The root file system that the project's lock names, wherever it is; None without one.

    A lock that cannot be read names none, but with `is_locked` it is an AnvilError (exit 2), and
    so is a lock that is not there.
    """
    from anvil.pipeline.built_in_schemas import read_schemas

    try:
        found = read_lock(project, read_schemas(), store)
    except AnvilError:
        if is_locked:
            raise
        return None
    if found is None and is_locked:
        raise missing(project)
    return None if found is None else found.lock.image


def _not_here(project: Path, locked: Image | None) -> AnvilError:
    if locked is None:
        message = f"{FILE_NAME} names no root file system, and this executor needs one"
        hint = f"`{_BUILD}`, and then `anvil lock --update image`"
    else:
        message = f"{FILE_NAME} names the root file system {shown(locked.sha256)}, not here"
        hint = _GET
    return AnvilError(
        Diagnostic(
            code="lock.image-missing",
            message=message,
            file=str(project / FILE_NAME),
            path="image.sha256",
            hint=hint,
        ),
        exit_code=ExitCode.FAILED,
    )
