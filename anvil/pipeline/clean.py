"""anvil clean: built targets away, and nothing else."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from anvil.core.diagnostics import Diagnostic, ExitCode
from anvil.package.install import MANIFEST, unwritable
from anvil.package.manifest import is_manifest_of
from anvil.pipeline.events import Outcome, TargetOutcome, failed
from anvil.pipeline.lock import locked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anvil.pipeline.events import Listener


def clean(out: Path, names: Sequence[str] | None, listener: Listener) -> Outcome:
    """Remove folders below `out` whose manifest is that of a build; all, or those named.

    Other programs call files manifest.json, too, and a folder of theirs stays. A build that
    runs in `out` ends first. Raises AnvilError where `out` cannot be written.
    """
    built = sorted(path.parent.name for path in out.glob(f"*/{MANIFEST}") if _is_ours(path))
    asked = built if names is None else list(names)
    if not asked:
        return Outcome(text=(f"nothing is built in {out}",))
    unknown = [name for name in asked if name not in built]
    outcomes = {name: _not_built(out, name, built) for name in unknown}
    if len(unknown) < len(asked):
        with locked(out, listener):
            outcomes |= {name: _remove(out / name) for name in asked if name in built}
    return Outcome(targets=tuple(outcomes[name] for name in asked))


def _is_ours(manifest: Path) -> bool:
    try:
        document = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return is_manifest_of(document, manifest.parent.name)


def _not_built(out: Path, name: str, built: Sequence[str]) -> TargetOutcome:
    diagnostic = Diagnostic(
        code="clean.not-built",
        message=f"{name} is not built in {out}",
        hint=f"built there: {', '.join(built) or 'nothing'}",
    )
    return failed(name, (diagnostic,), ExitCode.BAD_INPUT)


def _remove(folder: Path) -> TargetOutcome:
    try:
        # The folder may be a link to a larger or a faster disk.
        shutil.rmtree(folder.resolve())
        if folder.is_symlink():
            folder.unlink()
    except OSError as error:
        problem = unwritable(folder, error)
        return failed(folder.name, problem.diagnostics, problem.exit_code)
    return TargetOutcome(target=folder.name, status="removed", exit_code=ExitCode.DONE)
