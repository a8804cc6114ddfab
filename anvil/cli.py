"""argv to exit code: parses, calls the pipeline, and prints. Nothing else prints."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import warm
from anvil.arguments import UsageError, make_parser
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.pipeline.events import Outcome, defect
from anvil.wording import coloured, json_document, summary_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Options, Workspace
    from anvil.process import Cancellation


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    quiet = "--quiet" in words
    command = next((word for word in words if not word.startswith("-")), "")
    try:
        outcome = _dispatch(words)
    except UsageError as error:
        outcome = Outcome(
            diagnostics=(Diagnostic(code="cli.usage", message=error.message, hint=error.hint),),
            exit_codes=(ExitCode.BAD_INPUT,),
        )
    except AnvilError as error:
        outcome = Outcome(diagnostics=error.diagnostics, exit_codes=(error.exit_code,))
    except KeyboardInterrupt:
        outcome = Outcome(
            diagnostics=(Diagnostic(code="cli.interrupted", message="interrupted"),),
            exit_codes=(ExitCode.INTERRUPTED,),
        )
    except BrokenPipeError:
        # Whoever read us is gone; there is nobody left to tell.
        _discard_output()
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001  a defect is said, too
        outcome = Outcome(diagnostics=(defect(error),), exit_codes=(ExitCode.FAILED,))
    try:
        _print_outcome(command, outcome, as_json=as_json, quiet=quiet)
    except OSError as error:
        # A reader that is gone, or a full disk behind a redirection.
        _discard_output()
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: cannot print the result: {error.strerror}\n")
            return ExitCode.FAILED
    return outcome.exit_code


def _dispatch(words: list[str]) -> Outcome:
    _replace_closed_streams()
    parser = make_parser()
    arguments = parser.parse_args(words)
    if arguments.command is None:
        sys.stderr.write(parser.format_help())
        return Outcome(exit_codes=(ExitCode.BAD_INPUT,))
    commands: dict[str, Callable[[argparse.Namespace], Outcome]] = {
        "plan": _plan,
        "init": _init,
        "build": _build,
        "run": _run,
        "verify": _verify,
        "report": _report,
        "targets": _targets,
        "doctor": _doctor,
        "clean": _clean,
        "cache": _cache,
        "completion": _completion,
    }
    return commands[arguments.command](arguments)


# Commands, one function each.


def _plan(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.plan import plan

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        del n_jobs  # one after the other: nothing is compiled
        return plan(workspace, listener, explain=arguments.explain, pin=arguments.pin)

    return _with_workspace(arguments, work)[1]


def _init(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.init import init

    model = None if arguments.model is None else Path(arguments.model)
    return init(Path(arguments.project), model, force=arguments.force)


def _build(arguments: argparse.Namespace) -> Outcome:
    # Each command imports its own stages.
    from anvil.pipeline.build import build
    from anvil.pipeline.load import out_folder
    from anvil.pipeline.watched import is_as_read, watched_paths

    def key() -> str | None:
        if not warm.is_plain(arguments):
            return None
        out = os.path.normpath(out_folder(*_folders(arguments)))
        return warm.inputs_key(arguments.project, out, arguments.target)

    before = key()
    states = None

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        nonlocal states
        # The model was read before; all else is read after this.
        states = warm.states_of(watched_paths(workspace))
        states = states if is_as_read(workspace) else None
        return build(workspace, listener, n_jobs)

    built, outcome = _with_workspace(arguments, work)
    is_clean = not _all_diagnostics(outcome) and outcome.exit_code is ExitCode.DONE
    # Inputs that changed meanwhile may or may not be in what was built.
    is_steady = before == key() and states == warm.states_of(watched_paths(built))
    if is_clean and before is not None and states is not None and is_steady:
        names = [target.target for target in outcome.targets]
        warm.remember(str(built.out), before, states, names)
    return outcome


def _verify(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.verify import verify

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        return verify(workspace, listener, n_jobs, layers=arguments.layers)

    return _with_workspace(arguments, work)[1]


def _report(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.report import report

    file = None if arguments.out is None else Path(arguments.out)
    arguments.out = None  # a file here, while targets go where they always go

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        return report(workspace, listener, n_jobs, file=file)

    return _with_workspace(arguments, work)[1]


def _with_workspace(
    arguments: argparse.Namespace, work: Callable[[Workspace, Listener, int], Outcome]
) -> tuple[Workspace, Outcome]:
    from anvil.display import make_progress
    from anvil.pipeline.load import load_workspace

    project, out = _folders(arguments)
    loaded = load_workspace(
        project=project,
        out=out,
        names=arguments.target,
        cancellation=_cancellation(),
        options=_options(arguments),
    )
    n_jobs = getattr(arguments, "jobs", None) or os.cpu_count() or 1
    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        outcome = (
            work(loaded.workspace, listener, n_jobs)
            if loaded.workspace.project.targets
            else Outcome()
        )
    targets = (*outcome.targets, *loaded.failures)
    if arguments.target is not None:
        targets = tuple(sorted(targets, key=lambda one: arguments.target.index(one.target)))
    return loaded.workspace, replace(outcome, targets=targets)


def _options(arguments: argparse.Namespace) -> Options:
    from anvil.pipeline.workspace import options

    return options(
        disabled_rewrites=arguments.no_rewrite,
        optimize=arguments.optimize,
        allow_unsafe_model=arguments.allow_unsafe_model,
    )


def _run(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.load import load_target, out_folder
    from anvil.pipeline.run import RunRequest, run_files

    project, out = _folders(arguments)
    return run_files(
        out_folder(project, out) / arguments.target,
        load_target(project=project, name=arguments.target),
        RunRequest(
            inputs=tuple(arguments.input),
            outputs=tuple(arguments.output),
            stats=None if arguments.stats is None else Path(arguments.stats),
            serial_port=arguments.port,
        ),
        _cancellation(),
    )


def _folders(arguments: argparse.Namespace) -> tuple[Path, Path | None]:
    return Path(arguments.project), None if arguments.out is None else Path(arguments.out)


def _targets(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.inspect import list_targets

    return list_targets(Path(arguments.project), arguments.name)


def _doctor(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.doctor import examine

    del arguments
    return examine()


def _clean(arguments: argparse.Namespace) -> Outcome:
    from anvil.display import make_progress
    from anvil.pipeline.clean import clean
    from anvil.pipeline.load import out_folder

    out = out_folder(*_folders(arguments))
    warm.forget(str(out))
    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        return clean(out, arguments.target, listener)


def _cache(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline import maintain

    if arguments.cache_command == "gc":
        return maintain.collect_garbage(arguments.max_size)
    return maintain.statistics() if arguments.cache_command == "stat" else maintain.verify_blobs()


def _completion(arguments: argparse.Namespace) -> Outcome:
    import shtab

    script = shtab.complete(make_parser(), arguments.shell)
    if not arguments.json:
        sys.stdout.write(script)
        sys.stdout.flush()
    return Outcome(details={"shell": arguments.shell, "script": script})


def _replace_closed_streams() -> None:
    """Give a process that was started without stdout or stderr the null device."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Open until the process ends.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _discard_output() -> None:
    """Send what is not yet written nowhere: at exit, Python would fail to flush it."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
    os.close(null)


def _cancellation() -> Cancellation:
    from anvil.process import Cancellation, interrupt_on_termination

    interrupt_on_termination()
    return Cancellation()


# Printing.


def _print_outcome(command: str, outcome: Outcome, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        document = json_document(
            command,
            int(outcome.exit_code),
            diagnostics=[d.as_json() for d in _all_diagnostics(outcome)],
            targets=[target.as_json() for target in outcome.targets],
            details=outcome.details,
        )
        sys.stdout.write(document)
        sys.stdout.flush()
        return
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    lines = [
        line
        for diagnostic in _all_diagnostics(outcome)
        if not quiet or diagnostic.severity is Severity.ERROR
        for line in _diagnostic_lines(diagnostic, colour=colour)
    ]
    if not quiet:
        lines += outcome.text
        lines += [summary_line(t.target, t.status, t.note, colour=colour) for t in outcome.targets]
    if lines:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def _all_diagnostics(outcome: Outcome) -> tuple[Diagnostic, ...]:
    listed = (*outcome.diagnostics, *(d for t in outcome.targets for d in t.diagnostics))
    # The same mistake may stop several targets; people read it once.
    return tuple(dict.fromkeys(listed))


def _diagnostic_lines(diagnostic: Diagnostic, *, colour: bool) -> list[str]:
    code = "1;31" if diagnostic.severity is Severity.ERROR else "1;33"
    severity = coloured(diagnostic.severity.value, code, enabled=colour)
    location = f"{diagnostic.location}: " if diagnostic.location else ""
    path = f" [{diagnostic.path}]" if diagnostic.path else ""
    first = f"{location}{severity}: {diagnostic.message}{path}"
    return [first] if diagnostic.hint is None else [first, f"  hint: {diagnostic.hint}"]
