"""A built target as later commands find it: plan.json, and files as the manifest says."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.tensor import DType
from anvil.package.install import MANIFEST
from anvil.pipeline.planning import MODEL_FILE
from anvil.verify.invocation import Port

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.tensor import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltTarget:
    """What `anvil build` left in build/<target>/."""

    folder: Path
    name: str
    target: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    plan: dict[str, Any]
    measured: dict[str, Any]
    manifest: dict[str, Any]
    model: bytes  # the .tflite file that was built


def read_built(folder: Path, target: str) -> BuiltTarget:
    """Read a built target and check its artifacts against the manifest.

    Raises AnvilError (exit 1) where it is not built, is incomplete, or was changed since.
    """
    try:
        documents = [
            json.loads((folder / name).read_bytes())
            for name in ("plan.json", "measured.json", MANIFEST)
        ]
        plan, measured, manifest = documents
        changed = [
            entry["path"]
            for entry in manifest["files"]
            if not entry["path"].startswith("project/")
            and _sha256(folder / entry["path"]) != entry["sha256"]
        ]
        built = BuiltTarget(
            folder=folder,
            name=plan["name"],
            target=plan["target"],
            inputs=_ports(plan["inputs"]),
            outputs=_ports(plan["outputs"]),
            plan=plan,
            measured=measured,
            manifest=manifest,
            model=(folder / MODEL_FILE).read_bytes(),
        )
    except FileNotFoundError as error:
        raise _not_usable(folder, target, f"{error.filename} is not there") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_usable(folder, target, f"its files cannot be read: {error}") from None
    if changed:
        raise _not_usable(folder, target, f"{', '.join(changed)} changed since it was built")
    return built


def _not_usable(folder: Path, target: str, why: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="run.not-built",
            message=f"{target} is not built in {folder}: {why}",
            file=str(folder),
            hint=f"run `anvil build --target {target}`",
        ),
        exit_code=ExitCode.FAILED,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def port_of(tensor: Tensor) -> Port:
    """An input or output of a graph."""
    return Port(
        name=tensor.name, shape=tensor.shape, dtype=tensor.dtype.value, n_bytes=tensor.n_bytes
    )


def _ports(rows: list[dict[str, Any]]) -> tuple[Port, ...]:
    return tuple(
        Port(
            name=row["name"],
            shape=tuple(row["shape"]),
            dtype=row["dtype"],
            n_bytes=math.prod(row["shape"]) * DType(row["dtype"]).n_bytes,
            scale=row.get("scale"),
            zero_point=row.get("zero_point"),
        )
        for row in rows
    )
