"""One command's view of a project: its files read once, its configuration checked."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.digest import key_of
from anvil.importers.recognize import describe
from anvil.quantize.formats import ALLOWED, ModelFormat, recognize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.cache.store import Store
    from anvil.core.target import Project
    from anvil.lock.document import Lock
    from anvil.pipeline.executors import Executors
    from anvil.process import Cancellation

MODEL_SUFFIX = ".tflite"
_GRAPH = "saved_model.pb"
_FOLDERS = ("variables", "assets")  # of a SavedModel
_MAX_FOLDER_BYTES = 2 * 1024**3
_FOLDER_HINT = f"Anvil takes {ALLOWED}, which hold {_GRAPH} and variables/"


class _FolderError(Exception):
    """A folder that is no SavedModel; the message goes on from the model's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model's bytes and how messages name it."""

    file: str
    format: ModelFormat = ModelFormat.TFLITE
    content: bytes  # of a file; empty for a folder
    folder: tuple[tuple[str, bytes], ...] = ()  # of a SavedModel: its files by path
    sha256: str  # of the file, or of the folder's paths and contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says about planning; it stands above anvil.yaml."""

    disabled_rewrites: frozenset[str] = frozenset()
    allow_unsafe_model: bool = False  # a Keras model may run code of its own when it is loaded
    order: tuple[str, ...] = ()  # criteria of core/decision.py; empty for anvil.yaml's


def options(
    *,
    disabled_rewrites: Sequence[str] = (),
    optimize: str | None = None,
    allow_unsafe_model: bool = False,
) -> Options:
    """The options of a command line. Raises AnvilError for a rewrite that is not there."""
    from anvil.core.decision import ORDERS
    from anvil.plan.rewrites import check_names

    check_names(disabled_rewrites)
    return Options(
        disabled_rewrites=frozenset(disabled_rewrites),
        allow_unsafe_model=allow_unsafe_model,
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
    executors: Executors
    options: Options = Options()
    lock: Lock | None = None  # what a command with --locked is held to

    @property
    def order(self) -> tuple[str, ...]:
        """What the best choice is, by criteria in order."""
        return self.options.order or self.project.optimize

    def target_folder(self, target: str) -> Path:
        """Where a target's artifacts go."""
        return self.out / target


def read_model(project: Project) -> Model:
    """The model as its author left it: any kind that Anvil takes, known by its content.

    Raises AnvilError that points at `model` in anvil.yaml. A file that is named .tflite and is
    none is left to the importer, which says what it is.
    """
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

    try:
        if path.is_dir():
            return _read_folder(path)
        if path.exists() and not path.is_file():
            # A pipe or a device may never end.
            raise wrong(f"the model {path} is no regular file", "name a file or a folder")
        content = path.read_bytes()
    except FileNotFoundError:
        near = _nearest(path)
        raise wrong(
            f"there is no model {path}",
            f"did you mean {near}?" if near else "paths are relative to anvil.yaml's folder",
        ) from None
    except OSError as error:
        raise wrong(f"cannot read the model {path}: {error.strerror}", "check it") from None
    except _FolderError as error:
        raise wrong(f"the model {project.model} {error}", _FOLDER_HINT) from None
    found = recognize(content)
    if found is None and path.suffix.lower() == MODEL_SUFFIX:
        found = ModelFormat.TFLITE
    if found is None:
        like = describe(content)
        raise wrong(
            f"the model {project.model} is a {path.suffix or 'nameless'} file"
            + (f" that looks like {like}" if like else ""),
            f"Anvil takes {ALLOWED}",
        )
    return Model(
        file=str(path),
        format=found,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _read_folder(folder: Path) -> Model:
    """A SavedModel folder, without what neither describes nor feeds its graph."""
    if not (folder / _GRAPH).is_file():
        raise _FolderError(f"is a folder without {_GRAPH}")
    paths = [folder / _GRAPH]
    for part in _FOLDERS:
        paths += [path for path in (folder / part).rglob("*") if path.is_file()]
    n_bytes = sum(path.stat().st_size for path in paths)
    if n_bytes > _MAX_FOLDER_BYTES:
        raise _FolderError(f"has {n_bytes} bytes, at most {_MAX_FOLDER_BYTES} are read")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}
    # A graph of constants alone has no variables, and then no such folder either.
    is_empty = not any(name.startswith("variables/") for name in files)
    if is_empty and (folder / "variables").exists():
        raise _FolderError("has an empty folder variables/")
    digests = [[name, hashlib.sha256(content).hexdigest()] for name, content in files.items()]
    return Model(
        file=str(folder),
        format=ModelFormat.SAVED_MODEL,
        content=b"",
        folder=tuple(files.items()),
        sha256=key_of(digests),
    )


def _nearest(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(path.name, names, n=1)), None)
