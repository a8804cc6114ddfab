"""argv to exit code: parses, calls the pipeline, and prints. Nothing else prints."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from anvil.commands import make_parser
from anvil.commands.parser import UsageError
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.pipeline.events import Outcome, defect
from anvil.wording import coloured, json_document, summary_line

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    outcome: Outcome = arguments.handler(arguments)
    return outcome


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


# Printing.


def _print_outcome(command: str, outcome: Outcome, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        document = json_document(
            command,
            int(outcome.exit_code),
            diagnostics=[d.as_json() for d in outcome.all_diagnostics],
            targets=[target.as_json() for target in outcome.targets],
            details=outcome.details,
        )
        sys.stdout.write(document)
        sys.stdout.flush()
        return
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    lines = [
        line
        for diagnostic in outcome.all_diagnostics
        if not quiet or diagnostic.severity is Severity.ERROR
        for line in _diagnostic_lines(diagnostic, colour=colour)
    ]
    if not quiet:
        lines += outcome.text
        lines += [summary_line(t.target, t.status, t.note, colour=colour) for t in outcome.targets]
    if lines:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def _diagnostic_lines(diagnostic: Diagnostic, *, colour: bool) -> list[str]:
    code = "1;31" if diagnostic.severity is Severity.ERROR else "1;33"
    severity = coloured(diagnostic.severity.value, code, enabled=colour)
    location = f"{diagnostic.location}: " if diagnostic.location else ""
    path = f" [{diagnostic.path}]" if diagnostic.path else ""
    first = f"{location}{severity}: {diagnostic.message}{path}"
    return [first] if diagnostic.hint is None else [first, f"  hint: {diagnostic.hint}"]
