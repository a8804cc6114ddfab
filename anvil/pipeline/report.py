"""anvil report: every target's plan, measurements and files as one HTML page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.package.install import replace_file
from anvil.package.symbols import function_sizes
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.build import build
from anvil.pipeline.clean import REPORT_FILE
from anvil.pipeline.events import Event, Outcome
from anvil.report.documents import TargetDocuments
from anvil.resources import built_in, contents, read_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anvil.core.target import Target
    from anvil.pipeline.events import Listener, TargetOutcome
    from anvil.pipeline.workspace import Workspace


def report(
    workspace: Workspace, listener: Listener, n_jobs: int, *, file: Path | None = None
) -> Outcome:
    """Build what is not built and write the report, into build/ unless `file` is given.

    A target that fails is in the report with its reasons. Where none can be built because
    the input is wrong, nothing is written. Raises AnvilError (exit 1) where the file cannot
    be written.
    """
    from anvil.report.page import make_report

    built = build(workspace, listener, n_jobs)
    if all(one.exit_code is ExitCode.BAD_INPUT for one in built.targets):
        return built
    path = workspace.out / REPORT_FILE if file is None else file
    listener(Event(target="", step="writing the report"))
    targets = [
        _documents(workspace, request.target, outcome)
        for request, outcome in zip(workspace.project.targets, built.targets, strict=True)
    ]
    templates = {
        f"report/{name}": content
        for name, content in contents(read_folder(built_in("templates") / "report")).items()
    }
    page = make_report(workspace.project.name, targets, templates)
    listener(Event(target="", step=""))
    _write(path, page)
    return Outcome(
        targets=built.targets,
        diagnostics=built.diagnostics,
        exit_codes=built.exit_codes,
        details={**built.details, "report": str(path)},
        text=(*built.text, f"report: {path}"),
    )


def _write(path: Path, page: bytes) -> None:
    try:
        if not path.is_file() or path.read_bytes() != page:
            replace_file(path, page)
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="report.unwritable",
                message=f"cannot write the report {path}: {error.strerror or error}",
                file=str(path),
                hint="name a file in a folder that can be written with --out",
            ),
            exit_code=ExitCode.FAILED,
        ) from error


def _documents(workspace: Workspace, target: Target, outcome: TargetOutcome) -> TargetDocuments:
    outline = TargetDocuments(
        target=target.name,
        board=target.board,
        plan=None,
        ram_limit_bytes=None if target.ram is None else target.ram.size_bytes,
        flash_limit_bytes=None if target.flash is None else target.flash.size_bytes,
    )
    if outcome.exit_code is not ExitCode.DONE:
        return replace(outline, problems=_sentences(outcome.diagnostics))
    built = read_built(workspace.target_folder(target.name), target.name)
    program = built.folder / (f"{built.name}.elf" if target.build == "platformio" else built.name)
    return replace(
        outline,
        plan=built.plan,
        measured=built.measured,
        manifest=built.manifest,
        function_bytes=function_sizes(program.read_bytes()) if program.is_file() else None,
    )


def _sentences(diagnostics: Sequence[Diagnostic]) -> tuple[str, ...]:
    return tuple(
        f"{one.message}. {one.hint}." if one.hint else f"{one.message}." for one in diagnostics
    )
