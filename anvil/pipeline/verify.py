"""anvil verify: every target's outputs against the reference kernels'."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.ops.registry import DEFINITIONS
from anvil.ops.tolerances import tensor_tolerances
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.build import build
from anvil.pipeline.events import Event, Outcome, TargetOutcome, defect, failed
from anvil.pipeline.layers import LayerCheck, reference
from anvil.pipeline.planning import import_tflite_model
from anvil.pipeline.run import run_batches
from anvil.verify import linked_library
from anvil.verify.compare import compare
from anvil.verify.inputs import standard_inferences

if TYPE_CHECKING:
    from anvil.core.target import Target
    from anvil.core.tolerance import Tolerance
    from anvil.pipeline.artifacts import BuiltTarget
    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace
    from anvil.verify.compare import Comparison, Outputs

NOT_CHECKED = "not_checked"
_MISSING_TOOL = "run.missing-tool"


def verify(
    workspace: Workspace, listener: Listener, n_jobs: int, *, layers: bool = False
) -> Outcome:
    """Build what is not built, run the standard inferences everywhere, and compare.

    A target whose emulator is missing here is `not_checked` with exit 1, never passed.
    With `layers` every layer is compared, too.
    """
    built = build(workspace, listener, n_jobs)
    usable = {t.target for t in built.targets if t.exit_code is ExitCode.DONE}
    if not usable:
        return built
    truths = _Truths(workspace, listener, layers=layers)
    outcomes = []
    for outcome, request in zip(built.targets, workspace.project.targets, strict=True):
        if outcome.target not in usable:
            outcomes.append(outcome)
            continue
        listener(Event(target=outcome.target, step="running"))
        try:
            one = _verify_target(workspace, request.target, truths)
        except AnvilError as error:
            one = failed(outcome.target, error.diagnostics, error.exit_code)
            if isinstance(error, NoTruthError) or all(
                d.code == _MISSING_TOOL for d in error.diagnostics
            ):
                one = replace(one, status=NOT_CHECKED)
        except Exception as error:  # noqa: BLE001  a defect stops no other target
            one = failed(outcome.target, (defect(error),), ExitCode.FAILED)
        finally:
            listener(Event(target=outcome.target, step=""))
        outcomes.append(replace(one, diagnostics=(*outcome.diagnostics, *one.diagnostics)))
    return Outcome(targets=tuple(outcomes), details={"inferences": truths.names})


class NoTruthError(AnvilError):
    """There is no reference to compare with: what was built is not checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    """The standard inferences of one model and what the reference gives for them."""

    batches: tuple[tuple[bytes, ...], ...]
    expected: Outputs
    tolerances: tuple[Tolerance, ...]  # by output
    layer_check: LayerCheck | None


class _Truths:
    """The truth for each model that was built; targets with the same one share it."""

    def __init__(self, workspace: Workspace, listener: Listener, *, layers: bool) -> None:
        self._workspace = workspace
        self._listener = listener
        self._layers = layers
        self._known: dict[bytes, _Truth | NoTruthError] = {}
        self.names: list[str] = []  # of the standard inferences

    def of(self, built: BuiltTarget) -> _Truth:
        """The truth for a built target's model. Raises NoTruthError."""
        if built.model not in self._known:
            self._listener(Event(target="", step="computing the reference"))
            try:
                self._known[built.model] = self._compute(built)
            except AnvilError as error:
                self._known[built.model] = NoTruthError(
                    *error.diagnostics, exit_code=error.exit_code
                )
            finally:
                self._listener(Event(target="", step=""))
        truth = self._known[built.model]
        if isinstance(truth, NoTruthError):
            raise truth
        return truth

    def _compute(self, built: BuiltTarget) -> _Truth:
        workspace = self._workspace
        graph = import_tflite_model(built.model, workspace.model.file)
        tolerances = tensor_tolerances(graph, DEFINITIONS)
        inferences = standard_inferences(graph)
        self.names = [inference.name for inference in inferences]
        batches = tuple(inference.inputs for inference in inferences)
        return _Truth(
            batches=batches,
            expected=reference(workspace, built.model, batches, layers=False).values,
            tolerances=tuple(tolerances[index] for index in graph.outputs),
            layer_check=(
                LayerCheck(workspace, built.model, graph, batches) if self._layers else None
            ),
        )


def _verify_target(
    workspace: Workspace,
    target: Target,
    truths: _Truths,
) -> TargetOutcome:
    folder = workspace.target_folder(target.name)
    built = read_built(folder, target.name)
    truth = truths.of(built)
    n_symbols = None
    if target.build == "platformio":
        n_symbols = linked_library.check(folder, built.name, target.name)
    result = run_batches(built, target, truth.batches, cancellation=workspace.cancellation)
    comparison = compare(
        expected=truth.expected,
        found=result.outputs,
        ports=built.outputs,
        tolerances=truth.tolerances,
    )
    layers = {}
    if truth.layer_check is not None:
        disabled = built.plan["disabled_rewrites"]
        layers = truth.layer_check.check(target, result.outputs, disabled)
    diagnostics = () if comparison.is_equal else (_difference(target.name, comparison),)
    if not diagnostics and layers.get("first_different_layer"):
        # The layers after it hid the difference from these inputs, and not from every input.
        diagnostics = (_layer_difference(target.name, layers["first_different_layer"]),)
    return TargetOutcome(
        target=target.name,
        status="failed" if diagnostics else "passed",
        exit_code=ExitCode.FAILED if diagnostics else ExitCode.DONE,
        diagnostics=diagnostics,
        details={
            "comparison": comparison.as_json(),
            "emulator": target.emulator.kind,
            "stack_bytes": result.stack_bytes,
            "identical_library_symbols": n_symbols,
            **layers,
        },
        note=_note(comparison, layers),
    )


def _note(comparison: Comparison, layers: dict[str, Any]) -> str:
    note = f"{comparison.n_inferences} inferences, {comparison.n_outputs} outputs"
    if comparison.max_difference:
        note = f"{note}, largest difference {comparison.max_difference:.2g}"
    if not layers:
        return note
    first = layers["first_different_layer"]
    if first is None:
        largest = max((layer["max_difference"] or 0.0 for layer in layers["layers"]), default=0.0)
        agree = f"within tolerance, largest difference {largest:.2g}" if largest else "equal"
        n_gone = sum(layer["equal"] is None for layer in layers["layers"])
        n_equal = len(layers["layers"]) - n_gone
        gone = f", {n_gone} rewritten away" if n_gone else ""
        return f"{note}; all {n_equal} layers {agree}{gone}"
    return f"{note}; first different layer: {first['index']} {first['op']} ({first['tensor']})"


def _difference(target: str, comparison: Comparison) -> Diagnostic:
    first = comparison.first
    place = (
        ""
        if first is None
        else (
            f"; first in inference {first.inference}, output {first.output}, element "
            f"{first.element}: expected {first.expected}, found {first.found}"
        )
    )
    return Diagnostic(
        code="verify.differs",
        message=(
            f"{target}: {comparison.n_different_outputs} of {comparison.n_outputs} outputs "
            f"differ from the reference, by up to {comparison.max_difference:g}{place}"
        ),
        hint="`anvil verify --layers` names the first layer that differs; please report it with "
        "the model, unless a kernel of your own runs there",
    )


def _layer_difference(target: str, layer: dict[str, Any]) -> Diagnostic:
    return Diagnostic(
        code="verify.layer-differs",
        message=(
            f"{target}: layer {layer['index']} {layer['op']} ({layer['tensor']}) differs from the "
            f"reference in {layer['different_elements']} elements, though the outputs are equal"
        ),
        hint="please report it with the model, unless a kernel of your own runs there",
    )
