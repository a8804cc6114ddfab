"""What a build reads besides anvil.yaml and the folders beside it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from anvil.core.candidate import OWN_METRICS
from anvil.core.diagnostics import AnvilError
from anvil.core.digest import digest_of
from anvil.pipeline.data import data_digest
from anvil.pipeline.metric_source import metric_files
from anvil.pipeline.pinned import FOLDER as PINS_FOLDER
from anvil.pipeline.workspace import read_model
from anvil.resources import digest_of_resources, read_folder

if TYPE_CHECKING:
    from anvil.pipeline.workspace import Workspace


def watched_paths(workspace: Workspace) -> list[str]:
    """The model, the data and the source of a user's metric: files and folders."""
    data = workspace.project.data
    paths = [workspace.project.model]
    if data is not None:
        paths += [path for path in (data.calibration, data.evaluation) if path is not None]
        # What is wrong with it is said where it is used.
        with contextlib.suppress(AnvilError):
            paths += [str(workspace.folder / path) for path in _metric_sources(workspace)]
    return paths


def is_as_read(workspace: Workspace) -> bool:
    """Whether the model is still what the command read when it began."""
    try:
        return read_model(workspace.project).sha256 == workspace.model.sha256
    except AnvilError:
        return False


def data_key(workspace: Workspace) -> list[Any]:
    """What enters a plan's key for the pinned candidates, the data and the metric.

    Raises AnvilError (exit 2) where the data is not there.
    """
    data = workspace.project.data
    pins = digest_of_resources(read_folder(workspace.folder / PINS_FOLDER))
    if data is None:
        return [pins]
    sources = _metric_sources(workspace)
    return [
        pins,
        data_digest(workspace, "calibration"),
        data_digest(workspace, "evaluation"),
        data.metric,
        data.higher_is_better,
        [[path, digest_of(content).sha256] for path, content in sorted(sources.items())],
    ]


def _metric_sources(workspace: Workspace) -> dict[str, bytes]:
    data = workspace.project.data
    if data is None or data.metric is None or data.metric in OWN_METRICS:
        return {}
    return metric_files(workspace, data.metric)
