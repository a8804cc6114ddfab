"""What a release says of itself beside its files: out of the project and its lock alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anvil import __version__
from anvil.pipeline.data import data_digest
from anvil.release.description import DataSource, ModelSource, PinnedWheel, ReleaseDescription
from anvil.resources import built_in, digest_of_resources, read_folder

if TYPE_CHECKING:
    from anvil.lock.document import Lock
    from anvil.pipeline.workspace import Workspace

_OF_DEBIAN = "debian:"  # a package of the root file system


def describe(workspace: Workspace, lock: Lock) -> ReleaseDescription:
    """The description of a workspace that is held to `lock`."""
    model = workspace.model
    return ReleaseDescription(
        name=workspace.project.name,
        facts=workspace.project.release,
        anvil_version=__version__,
        kernels_digest=digest_of_resources(
            read_folder(workspace.folder / "kernels", built_in("kernels"))
        ),
        model=ModelSource(
            file=Path(model.file).name, format=model.format.value, sha256=model.sha256
        ),
        data=_data(workspace),
        image=lock.image,
        wheels=_wheels(lock),
    )


def _wheels(lock: Lock) -> tuple[PinnedWheel, ...]:
    """Every Python distribution that the lock names outside the root file system."""
    rows = {**lock.sections["wheels"], **lock.sections["quantizers"]}
    for toolchain in lock.sections["toolchains"].values():
        rows |= {
            name: row
            for name, row in toolchain["packages"].items()
            if not name.startswith(_OF_DEBIAN)
        }
    return tuple(
        PinnedWheel(name=name, version=row["version"], sha256=tuple(sorted(row["sha256"])))
        for name, row in sorted(rows.items())
    )


def _data(workspace: Workspace) -> tuple[DataSource, ...]:
    found = ((role, data_digest(workspace, role)) for role in ("calibration", "evaluation"))
    return tuple(DataSource(role=role, sha256=sha256) for role, sha256 in found if sha256)
