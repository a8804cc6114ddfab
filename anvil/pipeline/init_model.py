"""The model that anvil.yaml is written for: found, and looked at without being loaded."""

from __future__ import annotations

import json
import os
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.graph import Graph
    from anvil.importers.outline import Outline

_SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")
_SAVED_MODEL = "saved_model.pb"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAX_CONFIG_BYTES = 64 * 1024**2
_MAX_FILE_BYTES = 2 * 1024**3
# Where Keras writes a model's configuration into an HDF5 file: as text, in one piece.
_CONFIG_BEGINS = re.compile(rb'\{"(?:module": ?"keras[^"]*", ?"class_name|class_name)": ?"\w+", ?"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of the model; `graph` only where its format is imported directly."""

    path: Path
    outline: Outline
    graph: Graph | None
    n_bytes: int


def wrong(code: str, message: str, hint: str, file: str | None = None) -> AnvilError:
    """One mistake of the command line or the model: exit 2."""
    return AnvilError(Diagnostic(code=code, message=message, hint=hint, file=file))


# Which model.


def _is_model(path: Path) -> bool:
    if path.is_dir():
        return (path / _SAVED_MODEL).is_file()
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def _models_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _is_model(path))
    except OSError as error:
        message = f"cannot list {folder}: {error.strerror}"
        raise wrong("init.unreadable", message, "check its permissions") from error


def only_model(project: Path) -> Path:
    """The one model in the folder; where there is none, in the folders in it."""
    found = _models_in(project)
    if not found:
        folders = sorted(p for p in project.iterdir() if p.is_dir() and not p.name.startswith("."))
        # What a build leaves is no source.
        found = [
            path
            for folder in folders
            if folder.name not in {"build", "quantized", "node_modules"}
            and os.access(folder, os.R_OK | os.X_OK)
            for path in _models_in(folder)
        ]
    if not found:
        raise wrong(
            "init.no-model",
            f"there is no model in {project.absolute()}",
            f"name one: `anvil init MODEL`, a {', '.join(_SUFFIXES)} file or a SavedModel folder",
        )
    if len(found) > 1:
        names = [str(path.relative_to(project)) for path in found]
        raise wrong(
            "init.several-models",
            f"there are {len(found)} models in {project.absolute()}: {', '.join(names)}",
            f"name one of them, such as `anvil init {found[0]}`",
        )
    return found[0]


def stem_of(path: Path) -> str:
    """What a model is called after."""
    absolute = path.absolute()
    return absolute.name if path.is_dir() else absolute.stem


# What it is.


def read_model(path: Path) -> Model:
    """Look at a model of any format. Raises AnvilError (exit 2)."""
    try:
        if path.is_dir():
            return _read_saved_model(path)
        n_bytes = path.stat().st_size
        if n_bytes > _MAX_FILE_BYTES:
            message = f"{path} has {n_bytes:,} bytes"
            raise wrong("init.model", message, f"a model has {_MAX_FILE_BYTES:,} at most")
        content = path.read_bytes()
    except FileNotFoundError:
        raise wrong(
            "init.no-model", f"there is no model {path}", "check the path; it is relative to here"
        ) from None
    except OSError as error:
        message = f"cannot read the model {path}: {error.strerror}"
        raise wrong("init.unreadable", message, "check it") from None
    return _read_file(path, content)


def _read_file(path: Path, content: bytes) -> Model:
    from anvil.importers.outline import Outline, outline_of_graph, outline_of_keras

    graph = None
    suffix = path.suffix.lower()
    if suffix == ".keras":
        outline = outline_of_keras(_keras_config(path))
    elif suffix in {".h5", ".hdf5"}:
        if not content.startswith(_HDF5):
            raise wrong("init.model", f"{path} is no HDF5 file", "save the model again")
        config = _hdf5_config(content)
        outline = Outline() if config is None else outline_of_keras(config)
    elif suffix == ".tflite":
        graph = _import(path, content)
        outline = outline_of_graph(graph)
    else:
        raise wrong(
            "init.model",
            f"{path} is a {path.suffix or 'nameless'} file",
            f"a model is a {', '.join(_SUFFIXES)} file or a SavedModel folder",
        )
    return Model(path=path, outline=outline, graph=graph, n_bytes=len(content))


def _read_saved_model(path: Path) -> Model:
    from anvil.importers.outline import outline_of_saved_model

    file = path / _SAVED_MODEL
    if not file.is_file():
        raise wrong(
            "init.model",
            f"{path} is a folder without {_SAVED_MODEL}",
            f"name the model: a {', '.join(_SUFFIXES)} file or a SavedModel folder",
        )
    try:
        outline = outline_of_saved_model(file.read_bytes())
    except ValueError as error:
        raise wrong(
            "init.model", f"{file} is damaged: {error}", "save or copy the model again"
        ) from None
    n_bytes = sum(f.stat().st_size for f in path.glob("variables/*") if f.is_file())
    return Model(path=path, outline=outline, graph=None, n_bytes=n_bytes)


def _import(path: Path, content: bytes) -> Graph:
    from anvil.importers.tflite import import_tflite
    from anvil.ops.registry import DEFINITIONS

    return import_tflite(content, str(path), DEFINITIONS)


def _keras_config(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("config.json")
            if entry.file_size <= _MAX_CONFIG_BYTES:
                return json.loads(archive.read(entry))
            why = f"its config.json has {entry.file_size:,} bytes"
    except KeyError:
        why = "it holds no config.json"
    except (ValueError, RecursionError, NotImplementedError, RuntimeError) as error:
        why = str(error)
    except zipfile.BadZipFile:
        why = "it is no zip archive"
    raise wrong("init.model", f"{path} is no model of Keras: {why}", "save the model again")


def _hdf5_config(content: bytes) -> object:
    """The model's configuration in an HDF5 file; None where it does not lie there as text."""
    for found in _CONFIG_BEGINS.finditer(content):
        text = content[found.start() : found.start() + _MAX_CONFIG_BYTES]
        text = text.partition(b"\0")[0]
        try:
            config, _ = json.JSONDecoder().raw_decode(text.decode(errors="replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(config, dict) and isinstance(config.get("config"), dict):
            return config
    return None


def describe(outline: Outline) -> str:
    """Its inputs and outputs in words, as far as they are known."""
    inputs, outputs = (
        ", ".join(port.describe() for port in ports) for ports in (outline.inputs, outline.outputs)
    )
    return "; ".join(
        f"{word} {text}" for word, text in (("input", inputs), ("output", outputs)) if text
    )
