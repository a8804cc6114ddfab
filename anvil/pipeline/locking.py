"""anvil lock: what a project's builds depend on, written down, compared and held to."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.lock.compare import Difference, differences, shown
from anvil.lock.document import FILE_NAME, Lock
from anvil.lock.names import IMAGE, OtherChangesError, entries, taken_over
from anvil.pipeline.build import plan_documents
from anvil.pipeline.built_in_schemas import read_schemas
from anvil.pipeline.events import Outcome
from anvil.pipeline.found_lock import Chosen, as_locked, found_lock, pinned, references
from anvil.pipeline.lock_file import LockFile, read_lock, write_lock
from anvil.pipeline.lock_held import as_diagnostic, changed_entries, required_lock
from anvil.pipeline.locked_image import image_to_compare, image_to_lock, newest_here, no_image
from anvil.pipeline.sources import read_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace

# Entries that are known only from a plan.
_PLANNED = {"models", "targets"}


# The commands.


def lock(workspace: Workspace, listener: Listener) -> Outcome:
    """Write anvil.lock, and say what changed against the former one.

    Every target is planned. Where one cannot be, nothing is written, and the outcome says why.
    """
    former, warnings = _former(workspace)
    chosen, planned = _planned(workspace, listener)
    if chosen is None:
        return planned
    image = image_to_lock(workspace.store, None if former is None else former.lock.image)
    found = found_lock(workspace, read_sources(workspace), chosen, image)
    changed = () if former is None else differences(former.lock, found)
    is_new = write_lock(workspace.folder, found)
    what = f"written: {workspace.folder / FILE_NAME}"
    if former is not None and not changed:
        what = f"{workspace.folder / FILE_NAME} is as it was"
    return Outcome(
        diagnostics=warnings,
        details={"file": str(workspace.folder / FILE_NAME), "digest": found.digest}
        | {"is_new": is_new, "differences": [one.as_json() for one in changed]},
        text=(*_listing(changed), what),
    )


def check_lock(workspace: Workspace) -> Outcome:
    """Compare anvil.lock with what is found, without planning, building or writing anything.

    Exit 1 with every difference. Raises AnvilError (exit 2) where the lock is missing or wrong.
    """
    locked = required_lock(workspace)
    changed = changed_entries(workspace, locked, is_whole=True)
    return Outcome(
        diagnostics=tuple(as_diagnostic(one, locked) for one in changed),
        exit_codes=(ExitCode.FAILED,) if changed else (),
        details={"digest": locked.lock.digest, "differences": [one.as_json() for one in changed]},
        text=() if changed else (f"{locked.document.file} holds",),
    )


def update_lock(workspace: Workspace, listener: Listener, names: Sequence[str]) -> Outcome:
    """Take over entries of anvil.lock as they are found, and leave the rest as it is.

    What still differs is said in notes. Raises AnvilError: exit 2 for a name that is no entry
    and where the lock is missing or wrong, exit 1 where one cannot be taken over alone.
    """
    former = required_lock(workspace)
    chosen = as_locked(former.lock)
    if any(name.partition(".")[0] in _PLANNED for name in names):
        made, planned = _planned(workspace, listener)
        if made is None:
            return planned
        chosen = made
    before = entries(former.lock)
    # A name that is not there yet may be of a package.
    may_be_image = any(before.get(name, (IMAGE,))[0] == IMAGE for name in names)
    here = newest_here(workspace.store) if may_be_image else None
    image = here or image_to_compare(former.lock.image)
    found = found_lock(workspace, read_sources(workspace), chosen, image)
    known = before | entries(found)
    _check_names(names, known)
    if here is None and any(known[name][0] == IMAGE for name in names):
        raise no_image()
    updated = former.lock
    for name in names:
        updated = _taken_over(updated, found, name, known[name])
    changed = differences(former.lock, updated)
    write_lock(workspace.folder, updated)
    rest = differences(updated, found)
    return Outcome(
        diagnostics=tuple(
            replace(as_diagnostic(one, former), severity=Severity.NOTE) for one in rest
        ),
        details={"file": str(workspace.folder / FILE_NAME), "digest": updated.digest}
        | {"differences": [one.as_json() for one in changed]},
        text=_listing(changed) or (f"{', '.join(names)}: nothing changed",),
    )


# Parts.


def _former(workspace: Workspace) -> tuple[LockFile | None, tuple[Diagnostic, ...]]:
    """The lock that is to be replaced; one that cannot be read is said and not regarded."""
    try:
        return read_lock(workspace.folder, read_schemas(), workspace.store), ()
    except AnvilError as error:
        return None, tuple(
            replace(one, severity=Severity.WARNING, hint="it is written anew")
            for one in error.diagnostics
        )


def _planned(workspace: Workspace, listener: Listener) -> tuple[Chosen | None, Outcome]:
    """The candidate of every target, or the outcome that says why there is none."""
    outcome = plan_documents(workspace, listener)
    wrong = [one for one in outcome.targets if one.exit_code is not ExitCode.DONE]
    if wrong:
        names = ", ".join(one.target for one in wrong)
        return None, replace(
            outcome,
            text=(f"{FILE_NAME} is not written, since there is no plan for {names}",),
        )
    choices = {one.target: _choice(one.details["plan"]) for one in outcome.targets}
    return references(choices, pinned(workspace)), outcome


def _choice(plan: dict[str, Any]) -> tuple[str, str]:
    """The name and the SHA-256 of the candidate of a plan.json."""
    name = plan["candidate"]
    row = next(row for row in plan["candidates"] if row["name"] == name)
    return str(name), str(row["sha256"])


def _check_names(names: Sequence[str], known: dict[str, tuple[str, ...]]) -> None:
    wrong = [name for name in names if name not in known]
    if not wrong:
        return
    listed = ", ".join(sorted({".".join(path) for path in known.values() if len(path) < 3}))
    raise AnvilError(
        *(
            Diagnostic(
                code="lock.unknown-entry",
                message=f"the lock has no entry {name!r}; there is {listed}, and each package "
                "of the root file system",
                hint=f"did you mean {near[0]!r}?"
                if (near := difflib.get_close_matches(name, known, n=1))
                else "name one of them",
            )
            for name in wrong
        )
    )


def _taken_over(locked: Lock, found: Lock, name: str, path: tuple[str, ...]) -> Lock:
    try:
        updated = taken_over(locked, found, path)
    except OtherChangesError as error:
        others = ", ".join(error.others) or "the whole root file system"
        raise AnvilError(
            Diagnostic(
                code="lock.not-alone",
                message=f"{name} cannot be taken over alone: {others} changed, too",
                hint="`anvil lock --update image` takes over all of the root file system",
            ),
            exit_code=ExitCode.FAILED,
        ) from None
    row = updated.sections["targets"].get(path[-1]) if path[0] == "targets" else None
    if row is None:
        return updated
    # A target brings the candidate that it is built from.
    reference = row["candidate"]
    models = updated.sections["models"] | {reference: found.sections["models"][reference]}
    return Lock(sections={**updated.sections, "models": models})


def _listing(changed: Sequence[Difference]) -> tuple[str, ...]:
    return tuple(f"{one.name}: {shown(one.locked)} -> {shown(one.found)}" for one in changed)
