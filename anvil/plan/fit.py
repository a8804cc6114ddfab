"""Whether a plan fits, before anything is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import Diagnostic, Severity
from anvil.core.fit import Misfit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.core.candidate import Candidate
    from anvil.core.plan import Plan
    from anvil.core.prediction import Prediction
    from anvil.core.target import Requirements


def misfits(
    plan: Plan, requirements: Requirements, prediction: Prediction | None = None
) -> tuple[Misfit, ...]:
    """Every limit that the plan cannot meet: the board's memories, then the requirements.

    The prediction decides where it is known, and the misfit says so: what is missing is then
    all that is missing. Else lower bounds do, the arena with the reserved stack against RAM
    and the weights against flash: what exceeds a limit already there is certain.
    """
    return tuple(_misfits(plan, requirements, prediction))


def _misfits(
    plan: Plan, requirements: Requirements, prediction: Prediction | None
) -> Iterator[Misfit]:
    target = plan.target
    ram = f"the arena of {plan.arena_bytes:,} B"
    if target.stack_bytes:
        ram += f" with a stack of {target.stack_bytes:,} B"
    least_ram = plan.arena_bytes + (target.stack_bytes or 0)
    ram_limits = (
        ("board.ram", target.ram.size_bytes if target.ram else None),
        ("max_ram", requirements.max_ram_bytes),
    )
    flash_limits = (
        ("board.flash", target.flash.size_bytes if target.flash else None),
        ("max_flash", requirements.max_flash_bytes),
    )
    likely_ram = None if prediction is None else prediction.ram_bytes
    likely_flash = None if prediction is None else prediction.flash_bytes
    for limits, subject, least, likely in (
        (ram_limits, ram, least_ram, likely_ram),
        (flash_limits, "the weights alone", plan.weight_bytes, likely_flash),
    ):
        for what, limit in limits:
            if limit is None:
                continue
            if likely is not None and likely > max(least, limit):
                yield _in_bytes(plan, what, "the program", likely, limit, is_predicted=True)
            elif least > limit:
                yield _in_bytes(plan, what, subject, least, limit)
    if prediction is None:
        return
    stack = prediction.stack_bytes
    if stack is not None and target.stack_bytes and stack > target.stack_bytes:
        yield _in_bytes(
            plan, "board.stack", "the deepest call", stack, target.stack_bytes, is_predicted=True
        )
    latency_s, limit_s = prediction.latency_s, requirements.max_latency_s
    if latency_s is not None and limit_s is not None and latency_s > limit_s:
        yield Misfit(
            target=target.name,
            what="max_latency",
            subject="an inference",
            value=latency_s,
            limit=limit_s,
            unit="s",
            is_predicted=True,
        )


def _in_bytes(
    plan: Plan, what: str, subject: str, value: int, limit: int, *, is_predicted: bool = False
) -> Misfit:
    return Misfit(
        target=plan.target.name,
        what=what,
        subject=subject,
        value=value,
        limit=limit,
        unit="B",
        is_predicted=is_predicted,
    )


def unchecked(prediction: Prediction, requirements: Requirements) -> tuple[Diagnostic, ...]:
    """A warning for each requirement that nothing is known to check with."""
    if requirements.max_latency_s is None or prediction.latency_s is not None:
        return ()
    kernels = ", ".join(prediction.unknown)
    why = f"the cost table lacks {kernels}" if kernels else "there is no cost table for the core"
    return (
        Diagnostic(
            code="fit.unchecked",
            severity=Severity.WARNING,
            message=f"requirement max_latency is not checked: {why}",
            hint="measure it: `anvil run --stats` counts instructions, and `NAME --bench` time",
        ),
    )


def unasked_loss(candidate: Candidate, requirements: Requirements) -> tuple[Diagnostic, ...]:
    """A warning where more accuracy is lost than chance explains, and no requirement limits it."""
    accuracy = candidate.accuracy
    if requirements.max_accuracy_drop is not None or accuracy is None:
        return ()
    low, high = accuracy.interval
    reference = accuracy.reference
    if reference is None or not (
        reference > high if accuracy.higher_is_better else reference < low
    ):
        return ()
    return (
        Diagnostic(
            code="accuracy.lost",
            severity=Severity.WARNING,
            message=(
                f"{candidate.name} is taken with a {accuracy.metric} of {accuracy.value:.4g}, and "
                f"the float model's is {reference:.4g}: nothing limits what may be lost"
            ),
            hint="set requirements.max_accuracy_drop, or put accuracy first with `order`",
        ),
    )
