"""Whether a plan fits, before anything is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import Diagnostic, Severity

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
    ram_parts = f"the arena takes {plan.arena_bytes:,} B"
    if target.stack_bytes:
        ram_parts += f" and the stack {target.stack_bytes:,} B"
    flash_parts = f"the weights alone take {plan.weight_bytes:,} B"
    checks = [
        ("RAM", ram_bytes, ram_parts, target.ram.size_bytes if target.ram else None, "has"),
        ("RAM", ram_bytes, ram_parts, requirements.max_ram_bytes, "max_ram allows"),
        (
            "flash",
            plan.weight_bytes,
            flash_parts,
            target.flash.size_bytes if target.flash else None,
            "has",
        ),
        ("flash", plan.weight_bytes, flash_parts, requirements.max_flash_bytes, "max_flash allows"),
    ]
    return tuple(
        does_not_fit(plan.target.name, memory, needed, limit, parts, says)
        for memory, needed, parts, limit, says in checks
        if limit is not None and needed > limit
    )


def does_not_fit(  # noqa: PLR0913  one sentence with six parts
    target: str, memory: str, needed_bytes: int, limit_bytes: int, parts: str, says: str
) -> Diagnostic:
    """The budget error: value, limit, unit, and how many bytes are missing."""
    return Diagnostic(
        code=f"fit.{memory.lower()}",
        message=(
            f"{target}: {parts}, {needed_bytes:,} B of {memory} in all; "
            f"{f'the board {says}' if says == 'has' else says} {limit_bytes:,} B: "
            f"{needed_bytes - limit_bytes:,} B are missing"
        ),
        hint=f"choose a target with more {memory}, or a smaller model",
    )


def unchecked(requirements: Requirements) -> tuple[Diagnostic, ...]:
    """A warning for each requirement that this version of Anvil cannot check."""
    named = [
        ("max_latency", requirements.max_latency_s),
        ("max_accuracy_drop", requirements.max_accuracy_drop),
    ]
    return tuple(
        Diagnostic(
            code="fit.unchecked",
            severity=Severity.WARNING,
            message=f"requirement {name} is not checked: nothing predicts it yet",
        )
        for name, value in named
        if value is not None
    )
