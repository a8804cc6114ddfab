"""Bring a folder to the contents of a tree, file by file, each replaced as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.action import FileNode, Tree

MANIFEST = "manifest.json"


def stale_files(folder: Path, tree: Tree) -> tuple[FileNode, ...]:
    """The files of `tree` that `folder` lacks or holds with other bytes."""
    return tuple(node for node in tree.files if not _is_current(folder, node))


def _is_current(folder: Path, node: FileNode) -> bool:
    path = folder / node.path
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return (
        len(content) == node.digest.size_bytes
        and hashlib.sha256(content).hexdigest() == node.digest.sha256
        and (not node.executable or os.access(path, os.X_OK))
    )


def install(
    folder: Path, tree: Tree, stale: Sequence[FileNode], contents: Mapping[str, bytes]
) -> None:
    """Write the `stale` files of `tree`, manifest last; remove what an earlier build left.

    Only files that the previous manifest lists are removed, so a user's own stay. Raises
    AnvilError (exit 1) where the folder cannot be written.
    """
    try:
        former = _listed(folder / MANIFEST)
        for node in sorted(stale, key=lambda node: (node.path == MANIFEST, node.path)):
            replace_file(folder / node.path, contents[node.path], executable=node.executable)
        current = {node.path for node in tree.files}
        for path in sorted(former - current):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                (folder / path).unlink()
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> AnvilError:
    """What an output folder that cannot be written means: exit 1."""
    return AnvilError(
        Diagnostic(
            code="output.unwritable",
            message=f"cannot write the output folder {folder}: {error.strerror or error}",
            file=str(folder),
            hint="make it writable, free some space, or name another one with --out",
        ),
        exit_code=ExitCode.FAILED,
    )


def _listed(manifest: Path) -> set[str]:
    try:
        files = json.loads(manifest.read_bytes())["files"]
        paths = [entry["path"] for entry in files]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {
        path
        for path in paths
        if isinstance(path, str) and not Path(path).is_absolute() and ".." not in Path(path).parts
    }


def replace_file(path: Path, content: bytes, *, executable: bool = False) -> None:
    """Write a file beside its place and rename it there, its folder made where it is missing.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".anvil-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o755 if executable else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
