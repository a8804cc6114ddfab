"""The choice: every way to build for one target, ordered, and the best that fits.

A candidate is planned as it is; where a rewrite buys speed with flash, without that rewrite,
too; where a limit is exceeded, with the kernels that need least of what is missing; and where
RAM still is the limit, with its first stage in bands of rows. All are predicted and compared
with the target's limits. Among those that fit the best by the stated order is taken;
what comes behind in that order is kept with it, and the Pareto front is marked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.decision import Choice, Criterion, Decision, FailedCandidate, balance
from anvil.core.diagnostics import AnvilError
from anvil.core.fit import Misfit
from anvil.core.plan import MemoryStrategy
from anvil.plan.costs import load_costs
from anvil.plan.fit import misfits
from anvil.plan.make import make_plan
from anvil.plan.predict import predict
from anvil.plan.rewrites.rewrite import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anvil.core.candidate import Candidate
    from anvil.core.diagnostics import Diagnostic
    from anvil.core.graph import Graph
    from anvil.core.plan import Plan, Variant
    from anvil.core.prediction import Prediction
    from anvil.core.rewrite import Rewritten
    from anvil.core.target import Requirements, Target
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.costs import CostTable

_BANDS = (2, 3, 4, 6, 8, 12, 16, 24)
_RAM = "RAM"  # Misfit.quantity
# Misfit.quantity -> by what kernels are weighed where there is too little of it.
_SPARING: dict[str, tuple[tuple[Criterion, ...], str]] = {
    _RAM: ((Criterion.RAM, Criterion.LATENCY), "with the kernels of the least memory"),
    "flash": ((Criterion.FLASH, Criterion.LATENCY), "with the smallest kernels"),
    "latency": ((Criterion.LATENCY,), "with the fastest kernels"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What every target's choice is made from.

    `rewritten` remembers, for one command, what a candidate's graph became: it does not
    depend on the target.
    """

    name: str  # of the project
    candidates: tuple[tuple[Candidate, Graph], ...]
    failed: tuple[FailedCandidate, ...]
    variants: Sequence[Variant]
    definitions: Mapping[str, OperatorDefinition]
    profiles: Mapping[str, bytes]  # the files of targets/, for the cost tables
    disabled_rewrites: frozenset[str]
    warnings: tuple[Diagnostic, ...]  # that concern the candidates
    rewritten: dict[tuple[str, frozenset[str]], Rewritten]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    target: Target
    requirements: Requirements
    costs: CostTable | None
    order: tuple[Criterion, ...]


def choose(
    material: Material, target: Target, requirements: Requirements, order: Sequence[Criterion]
) -> Decision:
    """Plan every choice for `target` and order them.

    Raises AnvilError where no candidate could be planned at all, with every reason.
    """
    case = _Case(
        target=target,
        requirements=requirements,
        costs=load_costs(material.profiles, target),
        order=tuple(order),
    )
    choices: list[Choice] = []
    failed = list(material.failed)
    for candidate, graph in material.candidates:
        try:
            choices += _choices_of(material, candidate, graph, case)
        except AnvilError as error:
            failed.append(FailedCandidate(name=candidate.name, diagnostics=error.diagnostics))
    if not choices:
        reasons = [d for candidate in failed for d in candidate.diagnostics]
        raise AnvilError(*dict.fromkeys(reasons))
    return ordered(choices, failed, order)


def reconsidered(decision: Decision, requirements: Requirements) -> Decision:
    """The decision under other requirements; nothing is planned again."""
    choices = [
        replace(
            choice,
            misfits=_misfits(choice.candidate, choice.plan, choice.prediction, requirements),
        )
        for choice in decision.choices
    ]
    return ordered(choices, decision.failed, decision.order)


def ordered(
    choices: Iterable[Choice], failed: Iterable[FailedCandidate], order: Sequence[Criterion]
) -> Decision:
    """The decision over `choices`, by `order`."""
    choices = tuple(choices)
    scale = _Scale(choices)
    best_first = sorted(
        choices, key=lambda choice: (not choice.fits, scale.rank(choice, order), choice.label)
    )
    return Decision(
        chosen=best_first[0] if best_first and best_first[0].fits else None,
        choices=tuple(best_first),
        pareto=tuple(scale.is_pareto(choice, best_first) for choice in best_first),
        order=tuple(order),
        failed=tuple(failed),
        stand_ins=scale.stand_ins(order),
    )


def loss(candidate: Candidate) -> float:
    """How far a candidate is from the float model: its drop, or its noise; 0 where unknown."""
    if candidate.accuracy is not None and candidate.accuracy.drop is not None:
        return candidate.accuracy.drop
    if candidate.fidelity is not None and candidate.fidelity.signal_to_noise_db is not None:
        return 10 ** (-candidate.fidelity.signal_to_noise_db / 20)
    return 0.0


def _choices_of(
    material: Material,
    candidate: Candidate,
    graph: Graph,
    case: _Case,
) -> list[Choice]:
    def planned(
        variation: str,
        *,
        disabled: frozenset[str] = material.disabled_rewrites,
        bands: int = 1,
        order: tuple[Criterion, ...] = case.order,
    ) -> Choice:
        rewritten = _rewritten(material, candidate, graph, disabled)
        plan = make_plan(
            rewritten.graph,
            name=material.name,
            target=case.target,
            variants=material.variants,
            definitions=material.definitions,
            model_sha256=candidate.sha256,
            candidate=candidate.name,
            strategy=MemoryStrategy(bands=bands),
            costs=case.costs,
            order=order,
        )
        prediction = predict(plan, case.costs)
        return Choice(
            candidate=candidate,
            variation=variation,
            disabled_rewrites=tuple(sorted(disabled)),
            rewritten=rewritten,
            n_bands=bands,
            plan=plan,
            prediction=prediction,
            misfits=_misfits(candidate, plan, prediction, case.requirements),
            kernel_order=order,
        )

    usual = planned("")
    # A rewrite that takes flash for speed is a choice; the others only gain.
    dear = [one.name for one in usual.applied if one.weight_bytes_saved < 0]
    without = [
        planned(f"without {name}", disabled=material.disabled_rewrites | {name}) for name in dear
    ]
    sparing = [
        choice
        for quantity, (order, variation) in _SPARING.items()
        if any(misfit.quantity == quantity for misfit in usual.misfits)
        for choice in [planned(variation, order=order)]
        if _kernels(choice) != _kernels(usual)
    ]
    least = min((usual, *sparing), key=lambda choice: choice.plan.arena_bytes)
    in_bands = _in_bands(
        least,
        lambda n_bands: planned(f"in {n_bands} bands", bands=n_bands, order=least.kernel_order),
    )
    return [usual, *without, *sparing, *in_bands]


def _kernels(choice: Choice) -> list[tuple[str, bool]]:
    return [(p.variant.symbol, p.is_specialised) for p in choice.plan.calls]


def _in_bands(usual: Choice, planned: Callable[[int], Choice]) -> list[Choice]:
    """Where RAM is the limit: the first stage in bands of rows, recomputing what they share.

    As few bands as RAM asks for, or else the number that needs least.
    """
    if not any(misfit.quantity == _RAM for misfit in usual.misfits):
        return []
    tried: list[Choice] = []
    for n_bands in _BANDS:
        choice = planned(n_bands)
        if choice.plan.arena_bytes >= min(one.plan.arena_bytes for one in (usual, *tried)):
            continue  # the stage has no more rows, or the halo costs more than it spares
        tried.append(choice)
        if not any(misfit.quantity == _RAM for misfit in choice.misfits):
            break
    return tried[-1:]


def _rewritten(
    material: Material, candidate: Candidate, graph: Graph, disabled: frozenset[str]
) -> Rewritten:
    key = (candidate.sha256, disabled)
    if key not in material.rewritten:
        material.rewritten[key] = rewrite(graph, material.definitions, disabled=disabled)
    return material.rewritten[key]


def _misfits(
    candidate: Candidate, plan: Plan, prediction: Prediction, requirements: Requirements
) -> tuple[Misfit, ...]:
    found = misfits(plan, requirements, prediction)
    accuracy, allowed = candidate.accuracy, requirements.max_accuracy_drop
    if accuracy is None or allowed is None or not accuracy.loses_more_than(allowed):
        return found
    assert accuracy.drop is not None
    lost = Misfit(
        target=plan.target.name,
        what="max_accuracy_drop",
        subject=candidate.name,
        value=accuracy.drop,
        limit=allowed,
        unit=accuracy.metric,
    )
    return (*found, lost)


_Measure = Callable[[Choice], "float | None"]

# What stands for each quantity, the best first: the first that every choice has is compared.
_MEASURES: dict[Criterion, tuple[tuple[str, _Measure], ...]] = {
    Criterion.ACCURACY: (("loss", lambda choice: loss(choice.candidate)),),
    Criterion.FLASH: (
        ("flash", lambda choice: choice.prediction.flash_bytes),
        ("the size of the weights", lambda choice: choice.prediction.weight_bytes),
    ),
    Criterion.RAM: (
        ("RAM", lambda choice: choice.prediction.ram_bytes),
        ("the arena", lambda choice: choice.prediction.arena_bytes),
    ),
    Criterion.LATENCY: (
        ("latency", lambda choice: choice.prediction.latency_s),
        ("the number of instructions", lambda choice: choice.prediction.instructions),
        (
            "the number of multiply-accumulates",
            lambda choice: sum(planned.call.n_macs for planned in choice.plan.calls),
        ),
    ),
}
_FACTORS = (Criterion.FLASH, Criterion.RAM, Criterion.LATENCY)
_AXES = (*_FACTORS, Criterion.ACCURACY)


class _Scale:
    """How choices compare: each quantity by a measure that all of them have."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._measures = {
            criterion: next(
                (m for m in measures if all(m[1](choice) is not None for choice in choices)),
                measures[-1],
            )
            for criterion, measures in _MEASURES.items()
        }

    def rank(self, choice: Choice, order: Sequence[Criterion]) -> tuple[float, ...]:
        """The quantities in order; the smaller the better."""
        return tuple(self._quantity(choice, criterion) for criterion in order)

    def _quantity(self, choice: Choice, criterion: Criterion) -> float:
        if criterion is Criterion.PRODUCT:
            flash, ram, latency = self.rank(choice, _FACTORS)
            return balance(choice.plan.target, latency=latency, flash_bytes=flash, ram_bytes=ram)
        return float(self._measures[criterion][1](choice) or 0)

    def stand_ins(self, order: Sequence[Criterion]) -> tuple[tuple[str, str], ...]:
        """(quantity, what is compared in its stead) of the quantities that decide."""
        factors = _FACTORS if Criterion.PRODUCT in order else ()
        decisive = [one for one in _AXES if one in {*order, *factors}]
        named = [(_MEASURES[one][0][0], self._measures[one][0]) for one in decisive]
        return tuple((quantity, used) for quantity, used in named if quantity != used)

    def is_pareto(self, choice: Choice, others: Sequence[Choice]) -> bool:
        """Whether no other choice is at least as good in everything and better in something."""
        own = self.rank(choice, _AXES)

        def is_dominated_by(other: Choice) -> bool:
            theirs = self.rank(other, _AXES)
            return theirs != own and all(t <= o for t, o in zip(theirs, own, strict=True))

        return not any(is_dominated_by(other) for other in others)
