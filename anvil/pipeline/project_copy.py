"""The files that a project is built from: copied to another folder, or put into a release."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.config.yaml_source import parse_yaml
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.lock.document import FILE_NAME as LOCK_FILE
from anvil.pipeline.load import CONFIG_FILE
from anvil.pipeline.pinned import FOLDER as PINS_FOLDER
from anvil.pipeline.watched import watched_paths
from anvil.resources import built_in, contents, read_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.config.document import YamlPath
    from anvil.pipeline.workspace import Workspace

# What configures a project beside anvil.yaml; both hold for a rebuild without the user's data.
_OWN_FOLDERS = ("targets", "kernels")
_PATH_KEYS: tuple[YamlPath, ...] = (("model",), ("data", "calibration"), ("data", "evaluation"))


def source_files(workspace: Workspace) -> dict[str, bytes]:
    """anvil.yaml and the project's own profiles and kernels, by path.

    Raises AnvilError (exit 2) where anvil.yaml names a path of this machine: it goes into the
    release as it is.
    """
    file = workspace.folder / CONFIG_FILE
    content = file.read_bytes()
    document = parse_yaml(content, str(file))
    absolute = [path for path in _PATH_KEYS if _is_absolute(document.value_at(path))]
    if absolute:
        raise AnvilError(
            *(
                document.error_at_value(
                    path,
                    "release.absolute-path",
                    f"found {document.value_at(path)!r}: a release holds anvil.yaml, and this "
                    "names a place of this machine",
                    "name it by its way from anvil.yaml's folder",
                )
                for path in absolute
            )
        )
    files = {CONFIG_FILE: content}
    for name in _OWN_FOLDERS:
        built_in_files = contents(read_folder(built_in(name)))
        found = contents(read_folder(workspace.folder / name))
        files |= {
            f"{name}/{path}": own
            for path, own in found.items()
            # A copy changes nothing: the repository's example lies beside Anvil's own.
            if built_in_files.get(path) != own
        }
    return files


def lacks_targets(workspace: Workspace, asked: Sequence[str] | None) -> bool:
    """Whether a target that was asked for, or that anvil.yaml lists, could not be loaded."""
    file = workspace.folder / CONFIG_FILE
    listed = parse_yaml(file.read_bytes(), str(file)).value_at(("targets",))
    wanted = set(listed if asked is None else asked)
    return wanted != {request.target.name for request in workspace.project.targets}


def _is_absolute(value: object) -> bool:
    return isinstance(value, str) and (Path(value).is_absolute() or value.startswith("~"))


def copy_project(workspace: Workspace, folder: Path) -> Path:
    """Copy all that a build reads into `folder`; where anvil.yaml lies in it.

    What lies beside the project's folder lies beside the copy, too, so that every relative path
    still leads there. Raises AnvilError (exit 1) where it cannot be copied.
    """
    home = Path(os.path.abspath(workspace.folder))  # noqa: PTH100  links stay as they are
    named = [CONFIG_FILE, LOCK_FILE, PINS_FOLDER, *_OWN_FOLDERS]
    paths = [home / name for name in named if (home / name).exists()]
    paths += [Path(os.path.abspath(path)) for path in watched_paths(workspace)]  # noqa: PTH100
    top = Path(os.path.commonpath([home, *(path.parent for path in paths)]))
    try:
        for path in dict.fromkeys(paths):
            target = folder / path.relative_to(top)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, target)
    except (OSError, shutil.Error) as error:
        raise AnvilError(
            Diagnostic(
                code="release.copy",
                message=f"cannot copy the project to {folder}: "
                f"{getattr(error, 'strerror', None) or error}",
                hint="the second build works on a copy: free some space, or name a roomier "
                "folder in TMPDIR",
            ),
            exit_code=ExitCode.FAILED,
        ) from error
    return folder / home.relative_to(top)
