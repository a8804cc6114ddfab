"""verify.json of a release: what was compared with the reference, and how it agreed.

It has no time, path or emulator's version. How far floats lie from the reference's depends on
the processor that the reference ran on, so that it says which difference is allowed instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import ExitCode
from anvil.ops.registry import DEFINITIONS
from anvil.ops.tolerances import tensor_tolerances
from anvil.pipeline.planning import import_tflite_model, pretty
from anvil.verify.reference import LITERT_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.pipeline.artifacts import BuiltTarget
    from anvil.pipeline.events import TargetOutcome

FORMAT = 1


def verification_report(
    built: BuiltTarget, outcome: TargetOutcome, inferences: Sequence[str]
) -> bytes:
    """The file for a target that passed, or was not checked; `inferences` are their names."""
    is_checked = outcome.exit_code is ExitCode.DONE
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": built.name,
        "target": built.target,
        "model_sha256": built.plan["model_sha256"],
        "plan_digest": built.plan["digest"],
        "status": "passed" if is_checked else "not_checked",
        "reasons": [] if is_checked else sorted({d.code for d in outcome.diagnostics}),
        "reference": {"package": "ai-edge-litert", "version": LITERT_VERSION},
    }
    if is_checked:
        comparison = outcome.details["comparison"]
        document |= {
            "emulator": outcome.details["emulator"],
            "inferences": list(inferences),
            "outputs": comparison["outputs"],
            "different_outputs": comparison["different_outputs"],
            "allowed_difference": _allowed(built),
            "identical_library_symbols": outcome.details["identical_library_symbols"],
        }
    return pretty(document)


def _allowed(built: BuiltTarget) -> list[dict[str, Any]]:
    """By output; all of it 0 where outputs are equal bit for bit."""
    graph = import_tflite_model(built.model, "model.tflite")
    tolerances = tensor_tolerances(graph, DEFINITIONS)
    return [
        {
            "output": graph.tensors[index].name,
            "absolute": tolerances[index].absolute,
            "relative": tolerances[index].relative,
            "steps": tolerances[index].steps,
        }
        for index in graph.outputs
    ]
