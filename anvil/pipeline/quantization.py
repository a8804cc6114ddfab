"""Stage 3: the model's quantizations, each with what it loses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.decision import FailedCandidate
from anvil.core.diagnostics import Diagnostic
from anvil.pipeline.accuracy import measure
from anvil.pipeline.candidates import candidate_models, mixed_candidate, pin

if TYPE_CHECKING:
    from anvil.core.candidate import Candidate
    from anvil.pipeline.candidates import CandidateSet
    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace

_INT8, _MIXED = "int8", "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantizations:
    """What can be chosen from, and what could not be had."""

    made: CandidateSet
    candidates: tuple[Candidate, ...]  # measured
    failed: tuple[FailedCandidate, ...]
    warnings: tuple[Diagnostic, ...]


def quantizations(workspace: Workspace, listener: Listener) -> Quantizations:
    """Every candidate that a target of the workspace allows, measured.

    `mixed` is tried where int8 is allowed and loses more than a target can bear. A candidate
    that fails stops no other. Raises AnvilError where the model, the data or the metric is
    wrong, or this machine lacks what they take.
    """
    made = candidate_models(
        workspace,
        listener,
        names=_allowed(workspace),
        allow_unsafe=workspace.options.allow_unsafe_model,
    )
    float_model = None if made.float_model is None else made.float_model.content
    measured = measure(workspace, made.candidates, float_model=float_model, listener=listener)
    candidates = list(measured.candidates)
    mixed_warnings: tuple[Diagnostic, ...] = ()
    floor = _missed_floor(workspace, candidates)
    if floor is not None:

        def meets(candidate: Candidate) -> bool:
            (found,) = measure(
                workspace, [candidate], float_model=float_model, listener=listener
            ).candidates or (candidate,)
            is_enough = _drop(found) is not None and (_drop(found) or 0.0) <= floor
            if is_enough:
                candidates.append(found)
            return is_enough

        _, mixed_warnings = mixed_candidate(workspace, listener, made, meets=meets)
    return Quantizations(
        made=made,
        candidates=tuple(candidates),
        failed=(
            *(
                FailedCandidate(
                    name=one.name,
                    diagnostics=(Diagnostic(code="quantize.failed", message=one.reason),),
                )
                for one in made.failures
            ),
            *(FailedCandidate(name=name, diagnostics=why) for name, why in measured.failures),
        ),
        warnings=(*made.diagnostics, *measured.diagnostics, *mixed_warnings),
    )


def pin_candidates(workspace: Workspace, listener: Listener) -> tuple[str, ...]:
    """Keep the candidates in the project's quantized/; the names of the files."""
    found = quantizations(workspace, listener)
    known = {one.name for one in found.made.candidates}
    extra = (replace(one, accuracy=None) for one in found.candidates if one.name not in known)
    return pin(workspace, found.made, *extra)


def _allowed(workspace: Workspace) -> tuple[str, ...] | None:
    """The candidates that some target allows; None for all."""
    lists = [request.candidates for request in workspace.project.targets]
    if not all(lists):
        return None
    names = dict.fromkeys(name for names in lists for name in names if name != _MIXED)
    if any(_MIXED in names for names in lists):
        names |= {_INT8: None}  # which it is made of
    return tuple(names)


def _missed_floor(workspace: Workspace, candidates: list[Candidate]) -> float | None:
    """The least loss that a target asks for, allows `mixed` for, and int8 does not keep."""
    int8 = next((one for one in candidates if one.name == _INT8), None)
    drop = None if int8 is None else _drop(int8)
    if drop is None:
        return None
    floors = [
        request.requirements.max_accuracy_drop
        for request in workspace.project.targets
        if request.requirements.max_accuracy_drop is not None
        and (not request.candidates or _MIXED in request.candidates)
    ]
    missed = [floor for floor in floors if drop > floor]
    return min(missed, default=None)


def _drop(candidate: Candidate) -> float | None:
    return None if candidate.accuracy is None else candidate.accuracy.drop
