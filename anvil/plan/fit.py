"""Whether a plan fits, before anything is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import Diagnostic, Severity
from anvil.core.fit import does_not_fit

if TYPE_CHECKING:
    from anvil.core.plan import Plan
    from anvil.core.target import Requirements


def misfits(plan: Plan, requirements: Requirements) -> tuple[Diagnostic, ...]:
    """One error for each memory or requirement that the plan cannot meet.

    Compared are lower bounds, so that an error here is certain: the arena with the reserved
    stack against RAM, the weights against flash. Code and other data are measured once built.
    """
    target = plan.target
    ram_bytes = plan.arena_bytes + (target.stack_bytes or 0)
    ram = f"arena ({plan.arena_bytes:,} B)"
    if target.stack_bytes:
        ram += f" and stack ({target.stack_bytes:,} B)"
    flash = "the weights alone"
    flash_bytes = plan.weight_bytes
    checks = [
        ("RAM", ram, ram_bytes, target.ram.size_bytes if target.ram else None, "the board has"),
        ("RAM", ram, ram_bytes, requirements.max_ram_bytes, "max_ram allows"),
        (
            "flash",
            flash,
            flash_bytes,
            target.flash.size_bytes if target.flash else None,
            "the board has",
        ),
        ("flash", flash, flash_bytes, requirements.max_flash_bytes, "max_flash allows"),
    ]
    return tuple(
        does_not_fit(
            target.name,
            memory=memory,
            needed_bytes=needed,
            limit_bytes=limit,
            what=what,
            limited_by=limited_by,
        )
        for memory, what, needed, limit, limited_by in checks
        if limit is not None and needed > limit
    )


def unchecked(requirements: Requirements, optimize: str) -> tuple[Diagnostic, ...]:
    """A warning for each wish that this version of Anvil does nothing about."""
    warnings = [
        f"requirement {name} is not checked: nothing predicts it yet"
        for name, value in (
            ("max_latency", requirements.max_latency_s),
            ("max_accuracy_drop", requirements.max_accuracy_drop),
        )
        if value is not None
    ]
    if optimize != "balanced":
        warnings.append(f"optimize: {optimize} changes nothing: every kernel has one variant yet")
    return tuple(
        Diagnostic(
            code="fit.unchecked",
            severity=Severity.WARNING,
            message=message,
            hint="remove it, or leave it for a later version",
        )
        for message in warnings
    )
