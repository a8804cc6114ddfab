"""What a long command tells while it works, and what it leaves at its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, worst_exit_code

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of one target begins. `target` is empty for what concerns all."""

    target: str
    step: str
    is_note: bool = False  # said once: it takes no time, and nothing ends it


Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOutcome:
    """How one target ended."""

    target: str
    status: str  # built, up_to_date, passed, failed, not_checked, does_not_fit, invalid, ...
    exit_code: ExitCode
    diagnostics: tuple[Diagnostic, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)  # JSON values for --json
    note: str = ""  # for people, beside the status

    def as_json(self) -> dict[str, Any]:
        """The target's entry of `--json`."""
        return {"target": self.target, "status": self.status, **self.details}


class NoFitError(AnvilError):
    """Nothing fits (exit 3); `plan` has what plan.json would say of the choices."""

    def __init__(self, *diagnostics: Diagnostic, plan: dict[str, Any]) -> None:
        super().__init__(*diagnostics, exit_code=ExitCode.DOES_NOT_FIT)
        self.plan = plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended."""

    targets: tuple[TargetOutcome, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    exit_codes: tuple[ExitCode, ...] = ()  # besides the targets'
    details: dict[str, Any] = field(default_factory=dict)
    text: tuple[str, ...] = ()  # lines for people; `--json` has `details` instead

    @property
    def exit_code(self) -> ExitCode:
        """The process's exit code."""
        return worst_exit_code((*self.exit_codes, *(t.exit_code for t in self.targets)))

    @property
    def all_diagnostics(self) -> tuple[Diagnostic, ...]:
        """Those of the command and of its targets; the same mistake of several is read once."""
        listed = (*self.diagnostics, *(d for t in self.targets for d in t.diagnostics))
        return tuple(dict.fromkeys(listed))


DEBUG = "ANVIL_DEBUG"  # set, a defect shows where it lies


def defect(error: Exception) -> Diagnostic:
    """What is said of an exception that nobody foresaw; it is raised again under DEBUG."""
    if os.environ.get(DEBUG):
        raise error
    return Diagnostic(
        code="cli.defect",
        message=f"this is a defect of Anvil: {type(error).__name__}: {error}",
        hint=f"please report it, with what {DEBUG}=1 prints",
    )


_STATUS = {
    ExitCode.FAILED: "failed",
    ExitCode.BAD_INPUT: "invalid",
    ExitCode.DOES_NOT_FIT: "does_not_fit",
    ExitCode.INTERRUPTED: "interrupted",
}


def ended_badly(target: str, error: AnvilError) -> TargetOutcome:
    """The outcome of a target that an error ended, with the choices where nothing fits."""
    outcome = failed(target, error.diagnostics, error.exit_code)
    details = {"plan": error.plan} if isinstance(error, NoFitError) else {}
    return replace(outcome, details=details)


def failed(target: str, diagnostics: Iterable[Diagnostic], exit_code: ExitCode) -> TargetOutcome:
    """The outcome of a target that ended with errors."""
    return TargetOutcome(
        target=target,
        status=_STATUS[exit_code],
        exit_code=exit_code,
        diagnostics=tuple(diagnostics),
    )
