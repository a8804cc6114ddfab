"""anvil verify: every target's outputs against the reference kernels'."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.build import build, import_model
from anvil.pipeline.events import Event, Outcome, TargetOutcome, defect, failed
from anvil.pipeline.layers import LayerCheck, reference
from anvil.pipeline.run import run_batches
from anvil.verify import linked_library
from anvil.verify.compare import compare
from anvil.verify.inputs import standard_inferences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.target import Target
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
    graph = import_model(workspace)
    inferences = standard_inferences(graph)
    batches = [inference.inputs for inference in inferences]
    listener(Event(target="", step="computing the reference"))
    try:
        expected = reference_outputs(workspace, batches)
        layer_check = LayerCheck(workspace, graph, batches) if layers else None
    except AnvilError as error:
        # Without a reference nothing is checked; what did not build is said all the same.
        return Outcome(
            targets=tuple(
                replace(t, status=NOT_CHECKED, exit_code=error.exit_code)
                if t.target in usable
                else t
                for t in built.targets
            ),
            diagnostics=error.diagnostics,
        )
    finally:
        listener(Event(target="", step=""))
    outcomes = []
    for outcome, request in zip(built.targets, workspace.project.targets, strict=True):
        if outcome.target not in usable:
            outcomes.append(outcome)
            continue
        listener(Event(target=outcome.target, step="running"))
        try:
            one = _verify_target(workspace, request.target, batches, expected, layer_check)
        except AnvilError as error:
            lacks = all(d.code == _MISSING_TOOL for d in error.diagnostics)
            one = failed(outcome.target, error.diagnostics, error.exit_code)
            if lacks:
                one = replace(one, status=NOT_CHECKED)
        except Exception as error:  # noqa: BLE001  a defect stops no other target
            one = failed(outcome.target, (defect(error),), ExitCode.FAILED)
        finally:
            listener(Event(target=outcome.target, step=""))
        outcomes.append(replace(one, diagnostics=(*outcome.diagnostics, *one.diagnostics)))
    names = [inference.name for inference in inferences]
    return Outcome(targets=tuple(outcomes), details={"inferences": names})


def reference_outputs(workspace: Workspace, batches: Sequence[tuple[bytes, ...]]) -> Outputs:
    """The reference's [inference][output] tensors, from the cache where they are known."""
    return reference(workspace, batches, layers=False).values


def _verify_target(
    workspace: Workspace,
    target: Target,
    batches: Sequence[tuple[bytes, ...]],
    expected: Outputs,
    layer_check: LayerCheck | None,
) -> TargetOutcome:
    folder = workspace.target_folder(target.name)
    built = read_built(folder, target.name)
    n_symbols = None
    if target.build == "platformio":
        n_symbols = linked_library.check(folder, built.name, target.name)
    result = run_batches(built, target, batches, cancellation=workspace.cancellation)
    comparison = compare(expected=expected, found=result.outputs, ports=built.outputs)
    layers = {} if layer_check is None else layer_check.check(target, result.outputs)
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
    if not layers:
        return note
    first = layers["first_different_layer"]
    if first is None:
        return f"{note}; all {len(layers['layers'])} layers equal"
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
