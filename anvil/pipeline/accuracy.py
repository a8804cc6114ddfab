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


_FEW_SAMPLES = 8


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
    n_samples = 0
    if float_model is not None:
        try:
            reference = meter.accuracy("the float model", float_model)
        except AnvilError as error:
            # What is wrong with the metric is wrong with it for every candidate.
            if not is_of_model(error):
                raise
            diagnostics += [replace(d, severity=Severity.WARNING) for d in error.diagnostics]

    def fill_in(candidate: Candidate) -> Candidate:
        nonlocal n_samples
        accuracy = meter.accuracy(candidate.name, candidate.content)
        n_samples = accuracy.n_samples
        value = None if reference is None else reference.value
        return replace(candidate, accuracy=replace(accuracy, reference=value))

    found = _each(candidates, fill_in, n_jobs)
    errors = [error for _, error in found if isinstance(error, AnvilError)]
    if errors and len(errors) == len(found) and not any(map(is_of_model, errors)):
        unique = dict.fromkeys(d for error in errors for d in error.diagnostics)
        raise AnvilError(*unique, exit_code=errors[0].exit_code)
    return _collected(found, [*diagnostics, *_of_few_samples(meter.workspace, n_samples)])


def _of_few_samples(workspace: Workspace, n_samples: int) -> list[Diagnostic]:
    """A warning where the evaluation data cannot tell what is asked of it."""
    data = workspace.project.data
    drops = [one.requirements.max_accuracy_drop for one in workspace.project.targets]
    floor = min((drop for drop in drops if drop), default=None)
    if data is None or data.evaluation is None or n_samples == 0:
        return []
    one = f"the evaluation data has {n_samples} sample{'s' if n_samples != 1 else ''}"
    if data.metric == "top1" and floor is not None and n_samples * floor < 1:
        message = f"{one}, and a single one is more of top1 than max_accuracy_drop, {floor:g}"
    elif n_samples < _FEW_SAMPLES:
        message = f"{one}, which says little about any accuracy: see the interval"
    else:
        return []
    return [
        Diagnostic(
            code="accuracy.few-samples",
            severity=Severity.WARNING,
            message=message,
            file=data.evaluation,
            hint="give some hundred labelled samples",
        )
    ]


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
