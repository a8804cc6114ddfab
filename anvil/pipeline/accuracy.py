"""How well each candidate does: accuracy on the evaluation data, or fidelity without any.

    found = measure(workspace, candidates, float_model=content, listener=listener)
    found.candidates    those that could be measured, accuracy or fidelity filled in
    found.failures      the others, each with why

[meter.py](meter.py) measures one model; this says what several mean together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.decision import FailedCandidate
from anvil.core.diagnostics import AnvilError, Diagnostic, Severity
from anvil.pipeline.meter import Meter, is_of_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.core.candidate import Candidate
    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCandidates:
    """What `measure` found."""

    candidates: tuple[Candidate, ...]
    failures: tuple[FailedCandidate, ...]
    diagnostics: tuple[Diagnostic, ...]  # warnings about all of it


def measure(
    workspace: Workspace,
    candidates: Sequence[Candidate],
    *,
    float_model: bytes | None,
    listener: Listener,
    n_jobs: int = 1,
) -> MeasuredCandidates:
    """Fill in each candidate's accuracy, or its fidelity where there is no evaluation data.

    float_model: the .tflite that candidates are compared with; None where the model came
    quantized: then nothing is compared, and without evaluation data nothing is measured.

    A candidate that the reference kernels refuse or crash on is among the failures. Raises
    AnvilError where the data or the metric is wrong (exit 2), or this machine lacks what
    measuring takes (exit 1).
    """
    meter = Meter(workspace, candidates, float_model=float_model, listener=listener)
    if meter.has_evaluation:
        return _with_accuracy(meter, candidates, float_model, n_jobs)
    if float_model is None:
        return MeasuredCandidates(candidates=tuple(candidates), failures=(), diagnostics=())
    return _with_fidelity(meter, candidates, n_jobs)


def _with_accuracy(
    meter: Meter, candidates: Sequence[Candidate], float_model: bytes | None, n_jobs: int
) -> MeasuredCandidates:
    diagnostics: list[Diagnostic] = []
    reference = None
    if float_model is not None:
        try:
            reference = meter.accuracy("the float model", float_model)
        except AnvilError as error:
            # What is wrong with the metric is wrong with it for every candidate.
            if not is_of_model(error):
                raise
            diagnostics += [replace(d, severity=Severity.WARNING) for d in error.diagnostics]

    def fill_in(candidate: Candidate) -> Candidate:
        accuracy = meter.accuracy(candidate.name, candidate.content)
        value = None if reference is None else reference.value
        return replace(candidate, accuracy=replace(accuracy, reference=value))

    found = _each(candidates, fill_in, n_jobs)
    errors = [error for _, error in found if isinstance(error, AnvilError)]
    if errors and len(errors) == len(found) and not any(map(is_of_model, errors)):
        unique = dict.fromkeys(d for error in errors for d in error.diagnostics)
        raise AnvilError(*unique, exit_code=errors[0].exit_code)
    return _collected(found, diagnostics)


def _with_fidelity(
    meter: Meter, candidates: Sequence[Candidate], n_jobs: int
) -> MeasuredCandidates:
    def fill_in(candidate: Candidate) -> Candidate:
        return replace(candidate, fidelity=meter.fidelity(candidate.name, candidate.content))

    note = Diagnostic(
        code="accuracy.unknown",
        severity=Severity.WARNING,
        message="there is no evaluation data: candidates are compared with the float model by "
        "signal-to-noise ratio, on "
        + ("the calibration data" if meter.has_calibration else "random inputs")
        + ", which is not accuracy",
        file=meter.workspace.project.file,
        hint="name labelled data under data.evaluation, and say data.metric",
    )
    return _collected(_each(candidates, fill_in, n_jobs), [note])


_Found = list[tuple["Candidate", "Candidate | AnvilError"]]


def _each(
    candidates: Sequence[Candidate], fill_in: Callable[[Candidate], Candidate], n_jobs: int
) -> _Found:
    from concurrent.futures import ThreadPoolExecutor

    def attempt(candidate: Candidate) -> Candidate | AnvilError:
        try:
            return fill_in(candidate)
        except AnvilError as error:
            if _is_of_machine(error):
                raise
            return error

    with ThreadPoolExecutor(max_workers=n_jobs) as pool:
        return list(zip(candidates, pool.map(attempt, candidates), strict=True))


def _collected(found: _Found, diagnostics: Sequence[Diagnostic]) -> MeasuredCandidates:
    return MeasuredCandidates(
        candidates=tuple(one for _, one in found if not isinstance(one, AnvilError)),
        failures=tuple(
            FailedCandidate(name=candidate.name, diagnostics=error.diagnostics)
            for candidate, error in found
            if isinstance(error, AnvilError)
        ),
        diagnostics=tuple(diagnostics),
    )


def _is_of_machine(error: AnvilError) -> bool:
    """Whether it would be the same for every candidate."""
    return any(d.code.startswith(("tool.", "cache.", "data.")) for d in error.diagnostics)
