"""Stage 3: the model's quantizations, each with what it loses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.decision import FailedCandidate
from anvil.core.diagnostics import Diagnostic
from anvil.pipeline.accuracy import measure
from anvil.pipeline.candidates import candidate_models, mixed_candidate, pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.candidate import Candidate
    from anvil.core.target import TargetRequest
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


def quantizations(
    workspace: Workspace, listener: Listener, requests: Sequence[TargetRequest]
) -> Quantizations:
    """Every candidate that one of the requests allows, measured.

    What a target is built from depends on its own request alone, whatever else the command
    names: planning asks for one request at a time. `mixed` is tried where int8 is allowed and
    loses more than a request can bear. A candidate that fails stops no other.

    Raises AnvilError where the model, the data or the metric is wrong, or this machine lacks
    what they take.
    """
    made = candidate_models(
        workspace,
        listener,
        names=_allowed(requests),
        allow_unsafe=workspace.options.allow_unsafe_model,
    )
    float_model = None if made.float_model is None else made.float_model.content
    measured = measure(workspace, made.candidates, float_model=float_model, listener=listener)
    candidates = list(measured.candidates)
    failed = [*made.failures, *measured.failures]
    mixed_warnings: tuple[Diagnostic, ...] = ()
    floor = _missed_floor(requests, candidates)
    if floor is not None:

        def meets(candidate: Candidate) -> bool:
            (found,) = measure(
                workspace, [candidate], float_model=float_model, listener=listener
            ).candidates or (candidate,)
            accuracy = found.accuracy
            is_enough = accuracy is not None and not accuracy.loses_more_than(floor)
            if is_enough:
                candidates.append(found)
            return is_enough

        mixed, mixed_warnings = mixed_candidate(workspace, listener, made, meets=meets)
        if mixed is None:
            why = mixed_warnings or (_no_mixture(floor),)
            failed.append(FailedCandidate(name=_MIXED, diagnostics=why))
    return Quantizations(
        made=made,
        candidates=tuple(candidates),
        failed=tuple(failed),
        warnings=(*made.diagnostics, *measured.diagnostics, *mixed_warnings),
    )


def pin_candidates(workspace: Workspace, listener: Listener) -> tuple[str, ...]:
    """Keep the candidates in the project's quantized/; the names of the files."""
    found = quantizations(workspace, listener, workspace.project.targets)
    known = {one.name for one in found.made.candidates}
    extra = (replace(one, accuracy=None) for one in found.candidates if one.name not in known)
    return pin(workspace, found.made, *extra)


def _no_mixture(floor: float) -> Diagnostic:
    return Diagnostic(
        code="quantize.no-mixture",
        message=f"no choice of layers in float32 that was tried loses {floor:g} or less",
    )


def _allowed(requests: Sequence[TargetRequest]) -> tuple[str, ...] | None:
    """The candidates that some request allows; None for all."""
    lists = [request.candidates for request in requests]
    if not all(lists):
        return None
    names = dict.fromkeys(name for names in lists for name in names if name != _MIXED)
    if any(_MIXED in names for names in lists):
        names |= {_INT8: None}  # which it is made of
    return tuple(names)


def _missed_floor(
    requests: Sequence[TargetRequest], candidates: Sequence[Candidate]
) -> float | None:
    """The least loss that a request asks for, allows `mixed` for, and int8 does not keep."""
    int8 = next((one for one in candidates if one.name == _INT8), None)
    accuracy = None if int8 is None else int8.accuracy
    if accuracy is None or accuracy.drop is None:
        return None
    floors = [
        request.requirements.max_accuracy_drop
        for request in requests
        if request.requirements.max_accuracy_drop is not None
        and (not request.candidates or _MIXED in request.candidates)
    ]
    return min(filter(accuracy.loses_more_than, floors), default=None)
