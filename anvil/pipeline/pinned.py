"""Pinned candidates: the folder quantized/ beside anvil.yaml.

It holds what `anvil plan --pin` wrote: the .tflite files, and index.json, which says of what
model and data they are. While that holds, a project builds without TensorFlow and to the same
bits on any machine; calibration in floating point may differ between processors.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.pipeline.replace_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.pipeline.workspace import Workspace

FOLDER = "quantized"
INDEX = "index.json"
_FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
_MAX_FILE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the folder holds: whole files only."""

    folder: Path
    model_sha256: str
    calibration_sha256: str | None  # None where it was random inputs
    quantizers: tuple[tuple[str, str], ...]  # distribution and version, sorted
    files: Mapping[str, bytes]  # candidate -> .tflite


def read_pins(workspace: Workspace) -> Pins | None:
    """The project's pins; None without the folder.

    Raises AnvilError (exit 2) where index.json cannot be read, or a file is not what it says.
    """
    folder = workspace.folder / FOLDER
    index = folder / INDEX
    try:
        document = json.loads(index.read_bytes())
        if document["format"] != _FORMAT:
            raise _wrong(
                index, f"has format {document['format']}, and this version reads {_FORMAT}"
            )
        files = {}
        for name, row in sorted(document["candidates"].items()):
            if not _NAME.fullmatch(name) or row["file"] != f"{name}.tflite":
                raise _wrong(index, f"names the candidate {name!r} in a way that --pin does not")
            path = folder / row["file"]
            if path.stat().st_size > _MAX_FILE_BYTES:
                raise _wrong(path, "is larger than any model that Anvil takes")
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != row["sha256"]:
                raise _wrong(path, f"is not the file that {INDEX} names")
            files[name] = content
        return Pins(
            folder=folder,
            model_sha256=str(document["model"]["sha256"]),
            calibration_sha256=document["calibration"]["sha256"],
            quantizers=tuple(sorted((str(k), str(v)) for k, v in document["quantizers"].items())),
            files=files,
        )
    except FileNotFoundError as error:
        if Path(str(error.filename)) == index:
            return None
        raise _wrong(index, f"names {error.filename}, which is not there") from None
    except OSError as error:
        raise _wrong(index, f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(index, f"is not what --pin writes: {error}") from None


def write_pins(
    folder: Path,
    *,
    model_sha256: str,
    calibration_sha256: str | None,
    quantizers: Mapping[str, str],
    files: Mapping[str, bytes],
) -> tuple[str, ...]:
    """Write the folder whole, index.json last, and remove candidates of an earlier pin.

    The names of the files. Raises AnvilError (exit 1) where the folder cannot be written.
    """
    document = {
        "format": _FORMAT,
        "model": {"sha256": model_sha256},
        "calibration": {"sha256": calibration_sha256},
        "quantizers": dict(sorted(quantizers.items())),
        "candidates": {
            name: {"file": f"{name}.tflite", "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        },
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in sorted(files.items()):
            replace_file(folder / f"{name}.tflite", content)
        replace_file(folder / INDEX, (json.dumps(document, indent=2) + "\n").encode())
        for path in folder.glob("*.tflite"):
            if path.stem not in files and _NAME.fullmatch(path.stem):
                path.unlink()
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="pin.unwritable",
                message=f"cannot write the pinned candidates into {folder}: {error.strerror}",
                file=str(folder),
                hint="free some space, or make the folder writable",
            ),
            exit_code=ExitCode.FAILED,
        ) from error
    return (*(f"{name}.tflite" for name in sorted(files)), INDEX)


def _wrong(path: Path, message: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="pin.damaged",
            message=f"the pinned candidates cannot be used: {path.name} {message}",
            file=str(path),
            hint=f"restore the folder {FOLDER}/, or remove it: candidates are made anew then",
        )
    )
