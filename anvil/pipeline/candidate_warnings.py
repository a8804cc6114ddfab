"""What is said of candidates beside their failures: poor calibration, and pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.decision import FailedCandidate
from anvil.core.diagnostics import Diagnostic, Severity
from anvil.pipeline.pinned import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.pipeline.source import SourceModel
    from anvil.pipeline.workspace import Workspace


def not_pinned(name: str) -> FailedCandidate:
    """A candidate that is asked for, and that quantized/ lacks."""
    return FailedCandidate(
        name=name,
        diagnostics=(
            Diagnostic(
                code="pin.absent",
                message=f"it is not among the pinned candidates in {FOLDER}/",
                hint="`anvil plan --pin` pins what can be made; without the folder all are tried",
            ),
        ),
    )


def stale(workspace: Workspace, changed: Sequence[str]) -> Diagnostic:
    """Pins that are of another model, data or quantizer; `changed` says what."""
    return Diagnostic(
        code="pin.stale",
        severity=Severity.WARNING,
        message=f"the pinned candidates are not used: {' and '.join(changed)} changed since",
        file=str(workspace.folder / FOLDER),
        hint="`anvil plan --pin` pins the new ones",
    )


def no_data(workspace: Workspace, source: SourceModel, n_samples: int) -> Diagnostic:
    """Calibration with random inputs."""
    from anvil.quantize.random_inputs import DEFAULT_RANGE

    ranges = [limits or DEFAULT_RANGE for limits in source.input_ranges]
    shown = ", ".join(f"{low:g} to {high:g}" for low, high in dict.fromkeys(ranges))
    return Diagnostic(
        code="quantize.no-calibration",
        severity=Severity.WARNING,
        message=(
            "there is no calibration data: the quantized candidates are calibrated with "
            f"{n_samples} random inputs from {shown}, and real ones may do worse"
        ),
        file=workspace.project.file,
        hint="name representative inputs at data.calibration",
    )


def few(file: str, n_samples: int, wanted: int) -> Diagnostic:
    """Calibration with fewer samples than `wanted`."""
    return Diagnostic(
        code="quantize.few-samples",
        severity=Severity.WARNING,
        message=(
            f"the calibration data has {n_samples} sample{'s' if n_samples != 1 else ''}, and "
            f"fewer than {wanted} say little about the values that each layer takes"
        ),
        file=file,
        hint="give some hundred representative inputs",
    )
