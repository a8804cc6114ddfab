"""One command's view of a project: its files read once, its configuration checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.target import Project
    from anvil.process import Cancellation

MODEL_SUFFIX = ".tflite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model's bytes and how messages name it."""

    file: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What every stage after configuration needs."""

    project: Project
    folder: Path  # of anvil.yaml
    out: Path  # build/<target> lies below
    model: Model
    store: Store
    cancellation: Cancellation

    def target_folder(self, target: str) -> Path:
        """Where a target's artifacts go."""
        return self.out / target


def read_model(project: Project) -> Model:
    """The model file. Raises AnvilError that points at `model` in anvil.yaml."""
    path = Path(project.model)
    line, column = project.model_position

    def wrong(message: str, hint: str) -> AnvilError:
        return AnvilError(
            Diagnostic(
                code="model.unreadable",
                message=message,
                file=project.file,
                line=line,
                column=column,
                path="model",
                hint=hint,
            )
        )

    if path.is_dir():
        raise wrong(
            f"the model {project.model} is a folder, not a file",
            "name an int8 .tflite file; a SavedModel folder is converted first",
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        near = _nearest(path)
        raise wrong(
            f"there is no model {path}",
            f"did you mean {near}?" if near else "paths are relative to anvil.yaml's folder",
        ) from None
    except OSError as error:
        raise wrong(f"cannot read the model {path}: {error.strerror}", "check it") from None
    if path.suffix.lower() != MODEL_SUFFIX:
        raise wrong(
            f"the model {project.model} is a {path.suffix or 'nameless'} file",
            f"this version builds int8 {MODEL_SUFFIX} files: convert it with TensorFlow",
        )
    return Model(file=str(path), content=content, sha256=hashlib.sha256(content).hexdigest())


def _nearest(path: Path) -> str | None:
    import difflib

    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(path.name, names, n=1)), None)
