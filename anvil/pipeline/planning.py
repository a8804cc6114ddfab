"""Stages 2 to 5 for the targets of one command: candidates, the choice, the rendered project.

What a target is made from depends on nothing that another target asks for, so that the same
request gives the same files in any company. What two have in common is done once: candidates
and their accuracy, graphs, and rewritten graphs.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.core.candidate import Candidate
from anvil.core.decision import PASSING_CODES, Criterion, FailedCandidate
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.core.target import Requirements
from anvil.pipeline.events import Event, NoFitError
from anvil.resources import contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.decision import Choice, Decision
    from anvil.core.graph import Graph
    from anvil.core.plan import Plan
    from anvil.core.rewrite import Rewritten
    from anvil.core.target import Target, TargetRequest
    from anvil.pipeline.events import Listener
    from anvil.pipeline.sources import Sources
    from anvil.pipeline.workspace import Workspace
    from anvil.plan.choose import Material

PROJECT = "project/"
PLAN_FILE = "plan.json"
MODEL_FILE = "model.tflite"  # the candidate that was taken: what the reference runs


class Planning:
    """What `plan.json`, `model.tflite` and `project/` of each target are made from.

    Targets come one after the other, whatever the number of threads. Python gains nothing
    from planning in several, and in 3.11 ast.parse, which the predicates of kernels need,
    may fail where a process's first calls come from two.
    """

    def __init__(self, workspace: Workspace, sources: Sources, listener: Listener) -> None:
        self._workspace = workspace
        self._sources = sources
        self._listener = listener
        self._lock = threading.Lock()
        # By what the candidates of a request depend on.
        self._materials: dict[tuple[tuple[str, ...], float | None], Material | AnvilError] = {}
        self._rewritten: dict[tuple[str, frozenset[str]], Rewritten] = {}

    def __call__(self, request: TargetRequest) -> dict[str, bytes]:
        """Every file by path. Raises AnvilError; exit 3 where nothing fits."""
        # Only a miss pays for NumPy and Jinja.
        from anvil.plan.document import plan_digest

        with self._lock:
            chosen, files = self._planned(request)
            return files | render_files(self._sources, chosen.plan, plan_digest(chosen.plan))

    def plan_only(self, request: TargetRequest) -> dict[str, bytes]:
        """`plan.json` and `model.tflite`, without the project. Raises as above."""
        with self._lock:
            return self._planned(request)[1]

    def is_lasting(self, request: TargetRequest) -> bool:
        """Whether what was planned may be kept: no candidate failed for a passing reason."""
        with self._lock:
            material = self._material_of(request)
        said = (*material.warnings, *(d for one in material.failed for d in one.diagnostics))
        return not any(diagnostic.code in PASSING_CODES for diagnostic in said)

    def _planned(self, request: TargetRequest) -> tuple[Choice, dict[str, bytes]]:
        from anvil.plan.decision_document import decision_sections
        from anvil.plan.document import plan_document
        from anvil.plan.fit import unasked_loss, unchecked

        material = self._restricted(request)
        decision = self._decide(material, request)
        chosen = decision.chosen
        if chosen is None:
            raise self._does_not_fit(decision, material, request)
        document = plan_document(chosen.plan, request.requirements, chosen.prediction)
        document |= decision_sections(decision, [c for c, _ in material.candidates])
        warnings = (
            *material.warnings,
            *_left_out(decision.failed, request, material, self._workspace.model.file),
            *unchecked(chosen.prediction, request.requirements),
            *unasked_loss(chosen.candidate, request.requirements),
        )
        document["warnings"] = [
            replace(warning, file=_portable(warning.file, self._workspace.folder)).as_json()
            for warning in warnings
        ]
        return chosen, {PLAN_FILE: pretty(document), MODEL_FILE: chosen.candidate.content}

    # The choice.

    def _decide(self, material: Material, request: TargetRequest) -> Decision:
        from anvil.plan.choose import choose

        needs_accuracy = request.requirements.max_accuracy_drop is not None
        if needs_accuracy and not any(_has_drop(one) for one, _ in material.candidates):
            raise _no_drop(self._workspace.model.file, material.warnings)
        order = tuple(Criterion(name) for name in self._workspace.order)
        return choose(material, request.target, request.requirements, order)

    def _does_not_fit(
        self, decision: Decision, material: Material, request: TargetRequest
    ) -> AnvilError:
        from anvil.plan.decision_document import decision_sections
        from anvil.plan.remedies import nearest, remedies

        self._listener(Event(target=request.target.name, step="looking for what would fit"))
        found = remedies(
            decision,
            material,
            request.target,
            request.requirements,
            self._other_targets(request),
            unrestricted=self._unrestricted(request) if request.candidates else None,
        )
        sections = decision_sections(decision, [one for one, _ in material.candidates])
        return NoFitError(
            *nearest(decision, found),
            plan={"name": material.name, "target": request.target.name, "fits": False, **sections},
        )

    def _other_targets(self, request: TargetRequest) -> list[Target]:
        """Every other profile that is right, those of the same kind of project first."""
        from anvil.pipeline.load import all_targets

        listed = all_targets(self._workspace.folder).listings
        targets = [one.target for one in listed if one.target is not None]
        own = request.target
        return sorted(
            (target for target in targets if target.name != own.name),
            key=lambda target: (target.build != own.build, target.name),
        )

    def _unrestricted(self, request: TargetRequest) -> Material | None:
        """The material with every candidate, whatever anvil.yaml allows; None without one."""
        try:
            return self._material_of(replace(request, candidates=()))
        except AnvilError:
            return None

    # What the choice is made from.

    def _restricted(self, request: TargetRequest) -> Material:
        """The material with the target's candidates alone."""
        material = self._material_of(request)
        if not request.candidates:
            return material
        allowed = tuple(
            (one, graph) for one, graph in material.candidates if one.name in request.candidates
        )
        if not allowed:
            known = ", ".join(one.name for one, _ in material.candidates) or "none"
            failed = [one for one in material.failed if one.name in request.candidates]
            raise AnvilError(
                Diagnostic(
                    code="plan.no-candidate",
                    message=(
                        f"{request.target.name}: candidates allows "
                        f"{', '.join(request.candidates)}, and the model has {known}"
                    ),
                    hint="mixed is made where int8 loses more than max_accuracy_drop allows: "
                    "say one, or allow int8, too"
                    if request.candidates == ("mixed",)
                    else "add one of them to `candidates`, or remove that key",
                ),
                *_reasons(failed),
            )
        return replace(material, candidates=allowed)

    def _material_of(self, request: TargetRequest) -> Material:
        key = (request.candidates, request.requirements.max_accuracy_drop)
        if key not in self._materials:
            try:
                made = make_material(self._workspace, self._sources, request, self._listener)
                self._materials[key] = replace(made, rewritten=self._rewritten)
            except AnvilError as error:
                self._materials[key] = error
        material = self._materials[key]
        if isinstance(material, AnvilError):
            raise material
        return material


def _portable(file: str | None, folder: Path) -> str | None:
    """A file of a warning by its path from anvil.yaml: plan.json is the same in any folder."""
    if file is None:
        return None
    path = Path(file.removeprefix(f"{folder}/"))
    return None if path.is_absolute() else path.as_posix()


def _reasons(failed: Sequence[FailedCandidate]) -> list[Diagnostic]:
    """Why candidates are not there, each reason with their names."""
    names: dict[Diagnostic, list[str]] = {}
    for one in failed:
        for diagnostic in one.diagnostics:
            names.setdefault(diagnostic, []).append(one.name)
    return [
        replace(
            d,
            severity=Severity.ERROR,
            message=d.message
            if f"candidate {of[0]}" in d.message
            else f"{', '.join(of)}: {d.message}",
        )
        for d, of in names.items()
    ]


def _left_out(
    failed: Sequence[FailedCandidate], request: TargetRequest, material: Material, file: str
) -> list[Diagnostic]:
    """Warnings of allowed candidates that are not there, but for those that are warned of."""
    return [
        Diagnostic(
            code="plan.candidate-failed",
            severity=Severity.WARNING,
            message=f"the candidate {one.name} is left out: "
            + "; ".join(d.message for d in one.diagnostics),
            file=file,
            hint="the other candidates are not concerned",
        )
        for one in failed
        if (not request.candidates or one.name in request.candidates)
        and one.name != "mixed"  # tried on the quiet; --explain tells how that went
        and not set(one.diagnostics) & set(material.warnings)
    ]


def _has_drop(candidate: Candidate) -> bool:
    return candidate.accuracy is not None and candidate.accuracy.drop is not None


def _no_drop(model: str, warnings: tuple[Diagnostic, ...]) -> AnvilError:
    """What is wrong where no candidate can be compared with the float model.

    warnings: of the candidates; the float model's is among them where it could not be measured.
    """
    from anvil.pipeline.meter import OF_MODEL, UNFINISHED

    reasons = [one for one in warnings if one.code in {OF_MODEL, UNFINISHED}]
    why = "the model came quantized, and there is no float model to compare it with"
    if reasons:
        why = "the float model's own accuracy is not known"
    return AnvilError(
        *(replace(one, severity=Severity.ERROR) for one in reasons),
        Diagnostic(
            code="plan.no-reference",
            message=f"max_accuracy_drop cannot be checked: {why}",
            file=model,
            path="requirements.max_accuracy_drop",
            hint="name the float model in anvil.yaml, or remove the requirement",
        ),
    )


def make_material(
    workspace: Workspace, sources: Sources, request: TargetRequest, listener: Listener
) -> Material:
    """The model's candidates for a request with their accuracy, imported. Raises AnvilError."""
    from anvil.ops.registry import DEFINITIONS
    from anvil.pipeline.quantization import quantizations
    from anvil.plan.choose import Material
    from anvil.plan.kernel_registry import load_variants

    found = quantizations(workspace, listener, [request])
    failed = list(found.failed)
    usable: list[tuple[Candidate, Graph]] = []
    for candidate in found.candidates:
        try:
            usable.append((candidate, import_tflite_model(candidate.content, workspace.model.file)))
        except AnvilError as error:
            failed.append(FailedCandidate(name=candidate.name, diagnostics=error.diagnostics))
    if not usable:
        # What stops the model itself stops all that is made of it.
        own = [one for one in failed if one.name == "float32"]
        raise AnvilError(*(own[0].diagnostics if own else _reasons(failed)))
    return Material(
        name=workspace.project.name,
        candidates=tuple(usable),
        failed=tuple(failed),
        variants=load_variants(contents(sources.kernels)),
        definitions=DEFINITIONS,
        profiles=contents(sources.profiles),
        disabled_rewrites=workspace.options.disabled_rewrites,
        warnings=found.warnings,
        rewritten={},
    )


def import_tflite_model(content: bytes, file: str) -> Graph:
    """Stage 2 for a .tflite file; `file` names the model in messages."""
    from anvil.importers.tflite import import_tflite
    from anvil.ops.registry import DEFINITIONS

    return import_tflite(content, file, DEFINITIONS)


def traced_files(
    workspace: Workspace, sources: Sources, target: Target, graph: Graph
) -> dict[str, bytes]:
    """`project/` for a graph as it is, with nothing chosen: what `verify --layers` traces."""
    from anvil.ops.registry import DEFINITIONS
    from anvil.plan.costs import load_costs
    from anvil.plan.document import plan_digest
    from anvil.plan.fit import misfits
    from anvil.plan.kernel_registry import load_variants
    from anvil.plan.make import make_plan

    plan = make_plan(
        graph,
        name=workspace.project.name,
        target=target,
        variants=load_variants(contents(sources.kernels)),
        definitions=DEFINITIONS,
        model_sha256=workspace.model.sha256,
        costs=load_costs(contents(sources.profiles), target),
        order=tuple(Criterion(name) for name in workspace.order),
    )
    wrong = misfits(plan, Requirements())
    if wrong:
        raise AnvilError(
            *(misfit.diagnostic() for misfit in wrong), exit_code=ExitCode.DOES_NOT_FIT
        )
    return render_files(sources, plan, plan_digest(plan))


def render_files(sources: Sources, plan: Plan, digest: str) -> dict[str, bytes]:
    """Stage 5: every file of project/ by path."""
    from anvil.render.cmake import render_cmake
    from anvil.render.library import render_library
    from anvil.render.platformio import render_platformio
    from anvil.render.web import render_web

    renderers = {"platformio": render_platformio, "cmake": render_cmake, "web": render_web}
    templates = contents(sources.templates)
    library = render_library(
        plan, plan_digest=digest, kernels=contents(sources.kernels), templates=templates
    )
    files = renderers[plan.target.build](
        plan, plan_digest=digest, library=library, templates=templates
    )
    return {f"{PROJECT}{path}": content for path, content in files.items()}


def pretty(document: dict[str, Any]) -> bytes:
    """JSON as people read it, the same bytes everywhere."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
