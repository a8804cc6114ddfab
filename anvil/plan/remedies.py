"""Ways to make a model fit a target where none of its choices does, each one tried.

A way is worth proposing only when the planner, asked again under it, finds a choice that
fits. The cheapest comes first: a requirement that is a little too tight, then what the
command line forbade, then another target.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anvil.core.candidate import ROUNDING_ERROR
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.units import duration
from anvil.plan.choose import choose, reconsidered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anvil.core.candidate import Candidate
    from anvil.core.decision import Choice, Decision
    from anvil.core.fit import Misfit
    from anvil.core.target import Requirements, Target
    from anvil.plan.choose import Material

N_REMEDIES = 3
_UNDOING = 0.01  # giving a rewrite back costs nobody anything
_ALLOWING = 0.02  # nor does a candidate more
_ROUNDS = 4  # of raising limits: a bound, a prediction, and what they hid
_OTHER_TARGET = 100.0  # another board is the dearest way


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change after which the model fits."""

    cost: float  # relative: 0.1 stands for a limit that is raised by a tenth
    change: str  # what to do
    result: Choice  # what the planner then takes


def remedies(
    decision: Decision,
    material: Material,
    target: Target,
    requirements: Requirements,
    other_targets: Sequence[Target],
    *,
    unrestricted: Material | None = None,
) -> tuple[Remedy, ...]:
    """At most three ways, cheapest first; every one was planned and fits.

    unrestricted: with the candidates that anvil.yaml does not allow; None where it allows all.
    """
    found = sorted(
        [
            *_relaxed(decision, requirements),
            *_undone(decision, material, target, requirements),
            *_allowed(decision, unrestricted, target, requirements),
        ],
        key=lambda remedy: (remedy.cost, remedy.change),
    )[:N_REMEDIES]
    if len(found) < N_REMEDIES:
        elsewhere = _elsewhere(decision, material, requirements, other_targets)
        found += itertools.islice(elsewhere, N_REMEDIES - len(found))
    return tuple(found)


def _relaxed(decision: Decision, requirements: Requirements) -> Iterator[Remedy]:
    """What each choice would need, where the user's requirements alone stand against it."""
    seen = set()
    reached: list[tuple[set[str], Candidate]] = []
    for choice in sorted(decision.choices, key=_excess):
        misfits = _needed(choice, decision, requirements)
        changes = {str(m.requirement): _rounded_up(m) for m in misfits}
        key = tuple(sorted(changes.items()))
        if not misfits or key in seen:
            continue
        seen.add(key)
        chosen = reconsidered(decision, _changed(requirements, changes)).chosen
        # Giving up more for what less has brought already is no way of its own.
        if chosen is not None and not any(
            one is chosen.candidate and fields <= set(changes) for fields, one in reached
        ):
            reached.append((set(changes), chosen.candidate))
            yield Remedy(
                cost=sum(m.excess for m in misfits),
                change=" and ".join(
                    f"set {m.what} to {_written(m, _rounded_up(m))}" for m in misfits
                ),
                result=chosen,
            )


def _needed(choice: Choice, decision: Decision, requirements: Requirements) -> tuple[Misfit, ...]:
    """By how much each requirement would have to give; empty where giving does not help.

    A limit that is raised to a certain bound may still be below the prediction, which the
    bound had hidden.
    """
    needed: dict[str, Misfit] = {}
    misfits = choice.misfits
    for _ in range(_ROUNDS):
        if not misfits:
            break
        if any(m.requirement is None for m in misfits):
            return ()
        for misfit in misfits:
            first = needed.get(misfit.what, misfit)
            needed[misfit.what] = replace(misfit, limit=first.limit)
        changes = {str(m.requirement): _rounded_up(m) for m in needed.values()}
        again = reconsidered(decision, _changed(requirements, changes))
        misfits = next(one for one in again.choices if one.label == choice.label).misfits
    return () if misfits else tuple(needed.values())


def _changed(requirements: Requirements, changes: dict[str, Any]) -> Requirements:
    return replace(requirements, **changes)


def _excess(choice: Choice) -> float:
    """How far a choice is from fitting, in shares of the limits."""
    return sum(misfit.excess for misfit in choice.misfits)


def _rounded_up(misfit: Misfit) -> float:
    """The value as a limit that people write: whole KiB, three significant digits."""
    if misfit.unit == "B":
        return math.ceil(misfit.value / 1024) * 1024
    if misfit.value <= 0:
        return misfit.value
    step = 10.0 ** (math.floor(math.log10(misfit.value)) - 2)
    return float(f"{math.ceil(misfit.value / step - ROUNDING_ERROR) * step:.6g}")


def _written(misfit: Misfit, limit: float) -> str:
    """A limit as anvil.yaml has it."""
    if misfit.unit == "B":
        return f"{limit / 1024:.0f} KiB"
    return duration(limit) if misfit.unit == "s" else f"{limit:.4g}"


def _undone(
    decision: Decision, material: Material, target: Target, requirements: Requirements
) -> Iterator[Remedy]:
    for name in sorted(material.disabled_rewrites):
        freed = replace(material, disabled_rewrites=material.disabled_rewrites - {name})
        chosen = _attempt(freed, target, requirements, decision)
        if chosen is not None:
            yield Remedy(cost=_UNDOING, change=f"leave --no-rewrite {name} out", result=chosen)


def _allowed(
    decision: Decision, unrestricted: Material | None, target: Target, requirements: Requirements
) -> Iterator[Remedy]:
    if unrestricted is None:
        return
    chosen = _attempt(unrestricted, target, requirements, decision)
    if chosen is not None:
        change = f"add {chosen.candidate.name} to candidates"
        yield Remedy(cost=_ALLOWING, change=change, result=chosen)


def _elsewhere(
    decision: Decision,
    material: Material,
    requirements: Requirements,
    other_targets: Sequence[Target],
) -> Iterator[Remedy]:
    for other in other_targets:
        chosen = _attempt(material, other, requirements, decision)
        if chosen is not None:
            yield Remedy(
                cost=_OTHER_TARGET, change=f"build for {other.name} ({other.board})", result=chosen
            )


def _attempt(
    material: Material, target: Target, requirements: Requirements, decision: Decision
) -> Choice | None:
    try:
        return choose(material, target, requirements, decision.order).chosen
    except AnvilError:
        return None


def nearest(decision: Decision, found: Sequence[Remedy]) -> tuple[Diagnostic, ...]:
    """What is missing to the choice that comes nearest to fitting, and what would make it fit."""
    closest = min(decision.choices, key=_excess)
    hint = "nothing that was tried makes it fit: a smaller model is needed"
    if found:
        ways = [
            f"({number}) {remedy.change}: {outcome(remedy.result)}"
            for number, remedy in enumerate(found, start=1)
        ]
        hint = f"tried, and each would fit: {'; '.join(ways)}"
    diagnostics = [misfit.diagnostic() for misfit in closest.misfits]
    label = f" ({closest.label} comes nearest)" if len(decision.choices) > 1 else ""
    return (
        *_contradictions(decision),
        *(replace(one, message=one.message + label, hint=None) for one in diagnostics[:-1]),
        replace(diagnostics[-1], message=diagnostics[-1].message + label, hint=hint),
    )


def _contradictions(decision: Decision) -> Iterator[Diagnostic]:
    """Pairs of requirements that choices meet each alone, and none together."""
    broken = {choice.label: {m.what for m in choice.misfits} for choice in decision.choices}
    requirements = sorted(
        {m.what for choice in decision.choices for m in choice.misfits if m.requirement}
    )
    for one, other in itertools.combinations(requirements, 2):
        keep_one = [label for label, whats in broken.items() if one not in whats]
        keep_other = [label for label, whats in broken.items() if other not in whats]
        if keep_one and keep_other and not set(keep_one) & set(keep_other):
            target = decision.choices[0].misfits[0].target
            yield Diagnostic(
                code="fit.contradiction",
                message=(
                    f"{target}: {one} and {other} contradict each other for this model: "
                    f"{', '.join(keep_one)} keeps the one, {', '.join(keep_other)} the other, "
                    "and nothing keeps both"
                ),
            )


def outcome(choice: Choice) -> str:
    """A choice's figures in a few words.

    >>> outcome(choice)
    'int8 with 14,212 B of RAM, 61,232 B of flash, 12.1 ms'
    """
    prediction = choice.prediction
    figures = []
    if prediction.ram_bytes is not None:
        figures.append(f"{prediction.ram_bytes:,} B of RAM")
    if prediction.flash_bytes is not None:
        figures.append(f"{prediction.flash_bytes:,} B of flash")
    if prediction.latency_s is not None:
        figures.append(duration(prediction.latency_s))
    return f"{choice.label} with {', '.join(figures)}" if figures else choice.label
