"""One command's view of a project: its files read once, its configuration checked."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Sequence

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
class Options:
    """What the command line says about planning; it stands above anvil.yaml."""

    disabled_rewrites: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()  # criteria of core/decision.py; empty for anvil.yaml's


def options(*, disabled_rewrites: Sequence[str] = (), optimize: str | None = None) -> Options:
    """The options of a command line. Raises AnvilError for a rewrite that is not there."""
    from anvil.core.decision import ORDERS
    from anvil.plan.rewrites import NAMES

    mistakes = []
    for name in dict.fromkeys(disabled_rewrites):
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            mistakes.append(
                Diagnostic(
                    code="cli.usage",
                    message=f"--no-rewrite: there is no {name!r}; there is {', '.join(NAMES)}",
                    hint=f"did you mean {near[0]!r}?" if near else "`anvil plan` lists them",
                )
            )
    if mistakes:
        raise AnvilError(*mistakes)
    return Options(
        disabled_rewrites=frozenset(disabled_rewrites),
        order=() if optimize is None else tuple(ORDERS[optimize]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What every stage after configuration needs."""

    project: Project
    folder: Path  # of anvil.yaml
    out: Path  # build/<target> lies below
    model: Model
    store: Store
    cancellation: Cancellation
    options: Options = Options()

    @property
    def order(self) -> tuple[str, ...]:
        """What the best choice is, by criteria in order."""
        return self.options.order or self.project.optimize

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
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(path.name, names, n=1)), None)
