"""Statistics, verification and garbage collection of the cache."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.cache.results import result_path
from anvil.core.action import Tree
from anvil.core.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.cache.store import Store

# A build that runs now may be about to name a blob that no entry names yet.
GRACE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the cache holds."""

    n_blobs: int
    blob_bytes: int
    n_results: int
    tool_bytes: int  # the compilers' own caches

    @property
    def total_bytes(self) -> int:
        """Bytes of blobs and tools; results are small."""
        return self.blob_bytes + self.tool_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection removed."""

    n_blobs: int
    n_results: int
    freed_bytes: int


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def usage(store: Store) -> Usage:
    """Count everything once."""
    blobs = list(_files(store.root / "cas"))
    return Usage(
        n_blobs=len(blobs),
        blob_bytes=sum(map(_size, blobs)),
        n_results=sum(1 for _ in _files(store.root / "ac")),
        tool_bytes=sum(map(_size, _files(store.tool_cache))),
    )


def verify(store: Store) -> tuple[int, tuple[str, ...]]:
    """Hash every blob: how many there were, and the names of the damaged, now removed."""
    damaged = []
    n_blobs = 0
    for path in _files(store.root / "cas"):
        if path.name.startswith(".tmp-"):
            continue
        n_blobs += 1
        try:
            digest = Digest(sha256=path.name, size_bytes=_size(path))
        except ValueError:
            damaged.append(path.name)
            with contextlib.suppress(OSError):
                path.unlink()
            continue
        if store.get(digest) is None:
            damaged.append(path.name)
    return n_blobs, tuple(damaged)


def collect(store: Store, max_bytes: int, *, now_s: float | None = None) -> Collected:
    """Drop the results used longest ago until the blobs they name fit `max_bytes`.

    Then every blob that no result names goes, but for the youngest (`GRACE_S`), which a
    running build may hold. A blob that is gone is a miss to whoever looks for it.
    """
    now_s = time.time() if now_s is None else now_s
    entries: list[tuple[float, str, Tree]] = []
    n_results = 0
    for path in _files(store.root / "ac"):
        try:
            outputs = Tree.from_json(json.loads(path.read_bytes())["outputs"])
            entries.append((path.stat().st_mtime, path.name, outputs))
        except (OSError, ValueError, KeyError, TypeError):
            n_results += _unlink(path) is not None
    kept: set[str] = set()
    kept_bytes = 0
    for _, key, outputs in sorted(entries, key=lambda entry: (-entry[0], entry[1])):
        new = {
            node.digest.sha256: node.digest.size_bytes
            for node in outputs.files
            if node.digest.sha256 not in kept
        }
        if kept_bytes + sum(new.values()) > max_bytes:
            n_results += _unlink(result_path(store, key)) is not None
            continue
        kept |= set(new)
        kept_bytes += sum(new.values())
    n_blobs = freed_bytes = 0
    for path in _files(store.root / "cas"):
        try:
            is_young = now_s - path.stat().st_mtime < GRACE_S
        except OSError:
            continue
        if path.name not in kept and not is_young:
            freed = _unlink(path)
            if freed is not None:
                n_blobs += 1
                freed_bytes += freed
    for path in (store.root / "work").glob("action-*"):
        # Only what a killed process left: a running action is younger than its timeout.
        with contextlib.suppress(OSError):
            if now_s - path.stat().st_mtime > 24 * GRACE_S:
                _remove_folder(path)
    return Collected(n_blobs=n_blobs, n_results=n_results, freed_bytes=freed_bytes)


def _remove_folder(folder: Path) -> None:
    import shutil  # noqa: PLC0415  rarely needed

    shutil.rmtree(folder, ignore_errors=True)


def _unlink(path: Path) -> int | None:
    size_bytes = _size(path)
    try:
        path.unlink()
    except OSError:
        return None
    return size_bytes
