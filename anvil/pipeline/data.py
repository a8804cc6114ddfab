"""Calibration and evaluation data: found, digested, and read for a model's inputs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.pipeline.data_digest import digest_of_listing, list_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from anvil.core.tensor import Tensor
    from anvil.pipeline.data_digest import Listing
    from anvil.pipeline.workspace import Workspace
    from anvil.quantize.dataset import Dataset

Role = Literal["calibration", "evaluation"]


def data_digest(workspace: Workspace, role: Role) -> str | None:
    """The digest of what `role` names in anvil.yaml, `Dataset.sha256`; None where it names none.

    It costs a look at each file's times where nothing changed, and imports no NumPy. Raises
    AnvilError (exit 2) where the data is not there or cannot be read.
    """
    path = _path(workspace, role)
    if path is None:
        return None
    return _digest(workspace, _listing(workspace, role, path))


def read_dataset(workspace: Workspace, role: Role, ports: Sequence[Tensor]) -> Dataset | None:
    """The data that anvil.yaml names for `role`, for a model with the inputs `ports`.

    None where it names none. Real values come as the float model takes them, whatever the
    candidate: pass the float model's inputs where there is one. Calibration data comes without
    labels. Raises AnvilError (exit 2)
    with everything that is wrong with it.
    """
    from anvil.quantize.dataset import Source
    from anvil.quantize.dataset_folder import FolderSource
    from anvil.quantize.dataset_read import DataRequest, read_data

    path = _path(workspace, role)
    if path is None:
        return None
    data = workspace.project.data
    assert data is not None
    listing = _listing(workspace, role, path)
    sha256 = _digest(workspace, listing)
    source: Source | FolderSource = Source(file=path, open=functools.partial(_open, path))
    if listing.is_folder:
        source = FolderSource(
            file=path,
            files=tuple(
                (relative, Source(file=location, open=functools.partial(_open, location)))
                for relative, _ in listing.files
                for location in (listing.location(relative),)
            ),
            folders=listing.folders,
        )
    request = DataRequest(
        source=source, files=data, sha256=sha256, with_labels=role == "evaluation"
    )
    dataset = read_data(request, ports)
    if _listing(workspace, role, path) != listing:
        raise changing(workspace, role)
    return dataset


def changing(workspace: Workspace, role: Role) -> AnvilError:
    """What is said of data that is another than when the command began (exit 2)."""
    return AnvilError(
        Diagnostic(
            code="data.changing",
            message="it changed while it was read",
            file=_path(workspace, role),
            hint="run the command again when nothing writes there",
        )
    )


def _path(workspace: Workspace, role: Role) -> str | None:
    data = workspace.project.data
    if data is None:
        return None
    return data.calibration if role == "calibration" else data.evaluation


def _digest(workspace: Workspace, listing: Listing) -> str:
    data = workspace.project.data
    assert data is not None
    return digest_of_listing(listing, data, workspace.store)


def _open(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="data.unreadable",
                message=f"cannot read it: {error.strerror or error}",
                file=path,
                hint="check the file",
            )
        ) from error


def _listing(workspace: Workspace, role: Role, path: str) -> Listing:
    """Raises AnvilError that points at `data.<role>` in anvil.yaml."""
    try:
        return list_data(path)
    except FileNotFoundError:
        near = _nearest(path)
        message = f"there is no {role} data {path}"
        hint = f"did you mean {near}?" if near else "paths are relative to anvil.yaml's folder"
    except OSError as error:
        message = f"cannot read the {role} data {path}: {error.strerror or error}"
        hint = "check it"
    project = workspace.project
    positions = () if project.data is None else project.data.positions
    line, column = next(((line, column) for key, line, column in positions if key == role), (1, 1))
    raise AnvilError(
        Diagnostic(
            code="data.unreadable",
            message=message,
            file=project.file,
            line=line,
            column=column,
            path=f"data.{role}",
            hint=hint,
        )
    )


def _nearest(path: str) -> str | None:
    import difflib

    try:
        names = [entry.name for entry in Path(path).parent.iterdir()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(Path(path).name, names, n=1)), None)
