"""The data folders that come with Anvil, and those beside a project's anvil.yaml."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.digest import key_of
from anvil.data import DATA_ROOT, PACKAGE, digests_below

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A data file and the path that a message shows for it."""

    content: bytes
    display: str


def built_in(folder: str) -> Path:
    """A data folder of Anvil: kernels, templates, targets or schemas."""
    return Path(DATA_ROOT) / folder


def read_folder(*roots: Path) -> dict[str, Resource]:
    """Every data file under `roots` by relative path; an earlier root wins.

    Raises AnvilError (exit 2) where one cannot be read, such as a link that leads nowhere.
    """
    found: dict[str, Resource] = {}
    for root in reversed(roots):
        for path in sorted(_walk(root)):
            relative = path.relative_to(root).as_posix()
            found[relative] = Resource(content=_read(path), display=_shown(path))
    return dict(sorted(found.items()))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="resources.unreadable",
                message=f"cannot read {_shown(path)}: {error.strerror or error}",
                file=_shown(path),
                hint="Anvil reads every file of this folder: mend it or take it away",
            )
        ) from error


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _shown(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def contents(resources: Mapping[str, Resource]) -> dict[str, bytes]:
    """The bytes alone."""
    return {path: resource.content for path, resource in resources.items()}


def digest_of_resources(resources: Mapping[str, Resource]) -> str:
    """One digest of many files; where they lie does not enter it."""
    return key_of(
        {path: hashlib.sha256(resource.content).hexdigest() for path, resource in resources.items()}
    )


def code_digest() -> str:
    """A digest of Anvil's own Python, so that a changed stage never meets an old result."""
    return key_of(code_digests())


def code_digests() -> list[tuple[str, str]]:
    """(path below the package, SHA-256) of each of Anvil's own modules, sorted."""
    return digests_below(PACKAGE)


def package_parent() -> str:
    """The folder that another Python needs on its path to import this very Anvil."""
    return str(Path(PACKAGE).parent)


def built_in_source(path: str) -> bytes:
    """One of Anvil's own modules, for a worker that uses it without importing Anvil."""
    return (Path(PACKAGE) / path).read_bytes()
