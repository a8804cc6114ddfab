"""anvil release: two builds that agree, verified, described and signed, as one folder."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.lock.document import lock_text
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.events import Event, Outcome, TargetOutcome
from anvil.pipeline.lock_file import missing
from anvil.pipeline.project_copy import lacks_targets, source_files
from anvil.pipeline.release_description import describe
from anvil.pipeline.release_folder import (
    DIFFERENCES,
    check_differences_folder,
    check_replaceable,
    replace_folder,
    write_release,
)
from anvil.pipeline.twice import WORDS, build_twice
from anvil.pipeline.verification_report import verification_report
from anvil.pipeline.verify import NOT_CHECKED, verify
from anvil.release.assemble import assemble
from anvil.release.files import LOCK, SIGNED_SUFFIX, SOURCE, VERIFICATION, ReleaseFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.target import Target
    from anvil.pipeline.events import Listener
    from anvil.pipeline.twice import TwoBuilds
    from anvil.pipeline.workspace import Workspace
    from anvil.release.keys import SigningKey

FOLDER = "dist"
_SHOWN_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """anvil release's options."""

    out: Path
    key: SigningKey
    executor: str
    allow_unchecked: bool = False
    asked: tuple[str, ...] | None = None  # targets by name; None for all of anvil.yaml


def differences_folder(out: Path) -> Path:
    """Where two builds that differ are kept, beside the release that did not come about."""
    # `.` has no name of its own.
    named = out if out.name not in {"", ".."} else out.resolve()
    return named.with_name(f"{named.name}-differences")


def release(
    workspace: Workspace, listener: Listener, n_jobs: int, request: ReleaseRequest
) -> Outcome:
    """Build twice, compare, verify, and write the release; nothing is written where one fails.

    The workspace is held to its lock. Raises AnvilError: exit 2 where the project or the folder
    cannot become a release, 1 where the builds differ or it cannot be written.
    """
    if lacks_targets(workspace, request.asked):
        return Outcome()  # what is wrong with the others is said by who loaded them
    check_replaceable(request.out)
    check_differences_folder(differences_folder(request.out))
    sources = source_files(workspace)
    lock = workspace.lock
    if lock is None:
        raise missing(workspace.folder)
    with workspace.store.work_folder() as here, _temporary_folder() as elsewhere:
        two = build_twice(
            workspace,
            listener,
            n_jobs,
            folders=(Path(here), Path(elsewhere)),
            executor=request.executor,
        )
        if two.outcome.exit_code is not ExitCode.DONE:
            return two.outcome
        names = [one.target.name for one in workspace.project.targets]
        builds = [
            {name: _read_folder(out / name) for name in names}
            for out in (two.first.out, two.second_out)
        ]
        _compare(workspace, listener, builds, request.out)
        verified = verify(two.first, listener, n_jobs)
        unfinished = _unfinished(verified, allow_unchecked=request.allow_unchecked)
        if unfinished is not None:
            return unfinished
        listener(Event(target="", step="writing the release"))
        files = {LOCK: ReleaseFile(content=lock_text(lock))}
        files |= {f"{SOURCE}/{p}": ReleaseFile(content=c) for p, c in sources.items()}
        for one, outcome in zip(workspace.project.targets, verified.targets, strict=True):
            found = builds[0][one.target.name] | _added(
                two.first, one.target, outcome, verified.details["inferences"], request.key
            )
            files |= {f"{one.target.name}/{path}": file for path, file in found.items()}
        _refuse_paths(files, (workspace.folder, workspace.store.root, Path(here), Path(elsewhere)))
    made = assemble(files, describe(workspace, lock), request.key)
    write_release(request.out, made)
    listener(Event(target="", step=""))
    return _released(two, verified, request, len(made))


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="anvil-release-", ignore_cleanup_errors=True)


def _read_folder(folder: Path) -> dict[str, ReleaseFile]:
    return {
        path.relative_to(folder).as_posix(): ReleaseFile(
            content=path.read_bytes(), executable=os.access(path, os.X_OK)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# The comparison.


def _compare(
    workspace: Workspace,
    listener: Listener,
    builds: Sequence[Mapping[str, Mapping[str, ReleaseFile]]],
    out: Path,
) -> None:
    """Raise AnvilError (exit 1) that names every file in which the builds differ."""
    first, second = (
        {f"{name}/{path}": file for name, files in one.items() for path, file in files.items()}
        for one in builds
    )
    different = [
        path for path in sorted(first.keys() | second.keys()) if first.get(path) != second.get(path)
    ]
    if not different:
        return
    listener(Event(target="", step="looking into what differs"))
    kept = differences_folder(out)
    text = _explain(workspace, kept, different, first, second)
    listener(Event(target="", step=""))
    lines = text.splitlines()
    more = f"\n... {len(lines) - _SHOWN_LINES} more lines" if len(lines) > _SHOWN_LINES else ""
    raise AnvilError(
        Diagnostic(
            code="release.differs",
            message=(
                f"two builds of the same project differ in {len(different)} file"
                f"{'s' if len(different) > 1 else ''}: {', '.join(different)}\n"
                + "\n".join(lines[:_SHOWN_LINES])
                + more
            ),
            file=str(kept / DIFFERENCES),
            hint="both builds of these files lie beside that file; a clock, a path, a random "
            "number or an order that is not kept is in them",
        ),
        exit_code=ExitCode.FAILED,
    )


def _explain(
    workspace: Workspace,
    kept: Path,
    different: Sequence[str],
    first: Mapping[str, ReleaseFile],
    second: Mapping[str, ReleaseFile],
) -> str:
    from anvil.package.install import replace_file, unwritable
    from anvil.verify.difference import explain

    sides = [
        {path: side[path].content for path in different if path in side} for side in (first, second)
    ]
    try:
        replace_folder(
            kept,
            {
                f"{name}/{path}": content
                for name, side in zip(("first", "second"), sides, strict=True)
                for path, content in side.items()
            },
        )
        for name in ("first", "second"):
            (kept / name).mkdir(exist_ok=True)
        text = explain(sides[0], sides[1], kept, workspace.cancellation)
        replace_file(kept / DIFFERENCES, text.encode())
    except OSError as error:
        raise unwritable(kept, error) from error
    return text


# What a release holds besides what was built.


def _unfinished(verified: Outcome, *, allow_unchecked: bool) -> Outcome | None:
    """The outcome where a target did not pass; None where the release may go on."""
    open_targets = [one for one in verified.targets if one.exit_code is not ExitCode.DONE]
    unchecked = [one for one in open_targets if one.status == NOT_CHECKED]
    if not open_targets or (allow_unchecked and unchecked == open_targets):
        return None
    if not unchecked:
        return verified
    names = ", ".join(one.target for one in unchecked)
    return replace(
        verified,
        diagnostics=(
            *verified.diagnostics,
            Diagnostic(
                code="release.not-checked",
                message=f"not checked here: {names}; nothing is released that was not",
                hint="install what is missing (`anvil doctor`), or give --allow-unchecked, which "
                "verify.json then says",
            ),
        ),
    )


def _added(
    workspace: Workspace,
    target: Target,
    outcome: TargetOutcome,
    inferences: Sequence[str],
    key: SigningKey,
) -> dict[str, ReleaseFile]:
    built = read_built(workspace.target_folder(target.name), target.name)
    report = verification_report(built, outcome, inferences)
    added = {VERIFICATION: ReleaseFile(content=report)}
    if target.mcuboot is not None:
        from anvil.package.mcuboot import firmware_binary, signed_image

        firmware = firmware_binary((built.folder / f"{built.name}.hex").read_bytes())
        image = signed_image(firmware, target.mcuboot, key.private)
        added[f"{built.name}{SIGNED_SUFFIX}"] = ReleaseFile(content=image)
    return added


def _refuse_paths(files: Mapping[str, ReleaseFile], folders: Sequence[Path]) -> None:
    """The last line of defence: no file names a folder of this machine."""
    places = {os.path.abspath(folder) for folder in folders}  # noqa: PTH100  links stay
    # One name, such as /work or C:, may stand in a file for other reasons.
    needles = {place: place.encode() for place in places if len(Path(place).parts) > 2}
    found = [
        (path, place)
        for path, file in files.items()
        for place, needle in needles.items()
        if needle in file.content
    ]
    if found:
        raise AnvilError(
            *(
                Diagnostic(
                    code="release.path",
                    message=f"{path} names {place}, a folder of this machine",
                    hint="take the path out of what it comes from: anvil.yaml, a profile or a "
                    "kernel of the project",
                )
                for path, place in found
            ),
            exit_code=ExitCode.FAILED,
        )


def _released(two: TwoBuilds, verified: Outcome, request: ReleaseRequest, n_files: int) -> Outcome:
    varied = [words for name, words in WORDS.items() if name not in two.not_varied]
    kept = [words for name, words in WORDS.items() if name in two.not_varied]
    text = [f"built twice by {two.executor}, same bytes; varied: {', '.join(varied)}"]
    if kept:
        text.append(f"not varied, since this machine cannot: {', '.join(kept)}")
    text += [
        f"{n_files} files in {request.out}",
        f"signed by {request.key.public.keyid}",
    ]
    targets = []
    for one in verified.targets:
        is_checked = one.exit_code is ExitCode.DONE
        targets.append(
            TargetOutcome(
                target=one.target,
                status="released",
                exit_code=ExitCode.DONE,
                diagnostics=tuple(
                    d if is_checked else replace(d, severity=Severity.WARNING)
                    for d in one.diagnostics
                ),
                details={
                    "folder": str(request.out / one.target),
                    "verification": "passed" if is_checked else NOT_CHECKED,
                },
                note=one.note if is_checked else "not checked on this machine",
            )
        )
    return Outcome(
        targets=tuple(targets),
        diagnostics=verified.diagnostics,
        details={
            "release": str(request.out),
            "executor": two.executor,
            "varied": sorted(set(WORDS) - set(two.not_varied)),
            "not_varied": sorted(two.not_varied),
            "keyid": request.key.public.keyid,
        },
        text=tuple(text),
    )
