"""What Anvil says of a mistake, and the exit code that goes with it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(enum.IntEnum):
    """The process's exit codes; with several failures `worst_exit_code` picks one."""

    DONE = 0
    FAILED = 1  # a build or a check failed, or this machine lacks something
    BAD_INPUT = 2  # configuration, command line, model or data is wrong or unsupported
    DOES_NOT_FIT = 3  # a target cannot meet its requirements or its memory
    INTERRUPTED = 130


# The order in which one exit code is chosen among several (design.md, exit codes).
_PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.BAD_INPUT,
    ExitCode.FAILED,
    ExitCode.DOES_NOT_FIT,
)


def worst_exit_code(codes: Iterable[ExitCode]) -> ExitCode:
    """The first of 130, 2, 1, 3 that is among `codes`, else 0."""
    seen = set(codes)
    return next((code for code in _PRECEDENCE if code in seen), ExitCode.DONE)


class Severity(enum.StrEnum):
    """How much a diagnostic matters: only an error changes the exit code."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One message: what was found, what is allowed, and what to do.

    `line` and `column` count from 1. `path` is the place inside the document, such as
    `targets.nrf52840.toolchain`; `code` is stable and short, such as `config.unknown-key`.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    file: str | None = None
    line: int | None = None
    column: int | None = None
    path: str | None = None
    hint: str | None = None

    @property
    def location(self) -> str:
        """`file:line:column` as far as it is known; empty when nothing is."""
        parts = [self.file] if self.file else []
        if self.file and self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)

    def as_json(self) -> dict[str, str | int | None]:
        """The diagnostic as `--json` prints it."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "hint": self.hint,
        }


class AnvilError(Exception):
    """All errors of one stage, with the exit code that they mean."""

    def __init__(self, *diagnostics: Diagnostic, exit_code: ExitCode = ExitCode.BAD_INPUT) -> None:
        if not diagnostics:
            msg = "an AnvilError carries at least one diagnostic"
            raise ValueError(msg)
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics
        self.exit_code = exit_code
