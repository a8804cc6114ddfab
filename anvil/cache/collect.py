"""Statistics, verification and garbage collection of the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.cache.results import result_path
from anvil.cache.store import TEMPORARY
from anvil.core.action import Tree

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
    blobs = [path for path in _files(store.root / "cas") if not path.name.startswith(TEMPORARY)]
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
        if path.name.startswith(TEMPORARY):
            continue
        try:
            is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        except FileNotFoundError:
            continue  # a collection took it meanwhile
        except OSError:
            is_whole = False
        n_blobs += 1
        if not is_whole:
            damaged.append(path.name)
            _unlink(path)
    return n_blobs, tuple(damaged)


def collect(store: Store, max_bytes: int, *, now_s: float | None = None) -> Collected:
    """Drop the results used longest ago until the blobs they name fit `max_bytes`.

    Then every blob that no result names goes, but for the youngest (`GRACE_S`), which a
    running build may hold. A blob that is gone is a miss to whoever looks for it. Where blobs
    and the compilers' own caches together are still too large, the latter go as a whole,
    unless a compiler used them in the last `GRACE_S`: only it knows what in them is old.
    """
    now_s = time.time() if now_s is None else now_s
    entries: list[tuple[float, str, Tree]] = []
    n_results = 0
    for path in _files(store.root / "ac"):
        if path.name.startswith(TEMPORARY):
            if now_s - _changed_s(path) >= GRACE_S:
                _unlink(path)
            continue
        try:
            outputs = Tree.from_json(json.loads(path.read_bytes())["outputs"])
            entries.append((path.stat().st_mtime, path.name, outputs))
        except (OSError, ValueError, KeyError, TypeError):
            n_results += _unlink(path) is not None
    kept: set[str] = set()
    kept_bytes = 0
    is_full = False
    for _, key, outputs in sorted(entries, key=lambda entry: (-entry[0], entry[1])):
        new = {
            node.digest.sha256: node.digest.size_bytes
            for node in outputs.files
            if node.digest.sha256 not in kept
        }
        is_full = is_full or kept_bytes + sum(new.values()) > max_bytes
        if new and is_full:
            n_results += _unlink(result_path(store, key)) is not None
            continue
        kept |= set(new)
        kept_bytes += sum(new.values())
    n_blobs = freed_bytes = 0
    for path in _files(store.root / "cas"):
        if path.name not in kept and now_s - _changed_s(path) >= GRACE_S:
            freed = _unlink(path)
            if freed is not None:
                n_blobs += 1
                freed_bytes += freed
    left = usage(store)
    if left.total_bytes > max_bytes and _remove_tool_cache(store, now_s):
        freed_bytes += left.tool_bytes
    for path in (store.root / "work").glob("action-*"):
        # Only what a killed process left: a running action is younger than its timeout.
        with contextlib.suppress(OSError):
            if now_s - path.stat().st_mtime > 24 * GRACE_S:
                _remove_folder(path)
    return Collected(n_blobs=n_blobs, n_results=n_results, freed_bytes=freed_bytes)


def _remove_tool_cache(store: Store, now_s: float) -> bool:
    entries = [store.tool_cache, *store.tool_cache.glob("*"), *store.tool_cache.glob("*/*")]
    if now_s - max(map(_changed_s, entries)) < GRACE_S:
        return False
    # Out of sight at once, so that a compiler that starts now finds all of it or nothing.
    doomed = store.root / "work" / f"action-collected-{os.getpid()}"
    try:
        doomed.parent.mkdir(parents=True, exist_ok=True)
        store.tool_cache.rename(doomed)
    except OSError:
        return False
    _remove_folder(doomed)
    return True


def _changed_s(path: Path) -> float:
    """When it was last written, or marked as used; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


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
