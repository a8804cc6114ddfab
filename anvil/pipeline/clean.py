"""anvil clean: built targets away, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from anvil.core.diagnostics import Diagnostic, ExitCode
from anvil.package.install import MANIFEST, unwritable
from anvil.pipeline.events import Outcome, TargetOutcome, failed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def clean(out: Path, names: Sequence[str] | None) -> Outcome:
    """Remove the folders below `out` that hold a manifest; all, or those named."""
    built = sorted(path.parent.name for path in out.glob(f"*/{MANIFEST}"))
    outcomes = []
    for name in built if names is None else names:
        if name not in built:
            outcomes.append(
                failed(
                    name,
                    (
                        Diagnostic(
                            code="clean.not-built",
                            message=f"{name} is not built in {out}",
                            hint=f"built there: {', '.join(built) or 'nothing'}",
                        ),
                    ),
                    ExitCode.BAD_INPUT,
                )
            )
            continue
        try:
            shutil.rmtree(out / name)
        except OSError as error:
            problem = unwritable(out / name, error)
            outcomes.append(failed(name, problem.diagnostics, problem.exit_code))
        else:
            outcomes.append(TargetOutcome(target=name, status="removed", exit_code=ExitCode.DONE))
    return Outcome(
        targets=tuple(outcomes), text=() if outcomes else (f"nothing is built in {out}",)
    )
