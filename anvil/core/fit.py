"""What is said of something that does not fit, before and after compiling."""

from __future__ import annotations

from anvil.core.diagnostics import Diagnostic


def does_not_fit(
    target: str, *, memory: str, needed_bytes: int, limit_bytes: int, what: str, limited_by: str
) -> Diagnostic:
    """The budget error: value, limit, unit, and how many bytes are missing."""
    return Diagnostic(
        code=f"fit.{memory.lower()}",
        message=(
            f"{target}: {what} takes {needed_bytes:,} B of {memory}; {limited_by} "
            f"{limit_bytes:,} B: {needed_bytes - limit_bytes:,} B are missing"
        ),
        hint=f"choose a target with more {memory}, or a smaller model",
    )
