"""What a project's data is, by content, without reading what has not changed.

Every build must know whether its data changed, and data may be large: as Git does for its
index, the SHA-256 of each file is remembered beside its size, times and inode, and believed
while these are the same. A file that was changed just before it was hashed could change
again within one tick of the file system's clock; such a file is not remembered.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.cache.results import read_result, write_result
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.digest import canonical_json, key_of

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.target import DataFiles

# Raise it when the same files are read otherwise.
_READING = 1
_INDEX_FORMAT = 1
_INDEX = "index.json"
# The coarsest clock of a file system in use: FAT's two seconds.
_TICK_NS = 2_000_000_000
_BLOCK_BYTES = 1 << 20
# Below the folder: one level of classes, and one more to be told that it is too deep.
_MAX_DEPTH = 3

Signature = tuple[int, int, int, int]  # size, mtime and ctime in ns, inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A data file, or the files of a data folder, hidden ones left out."""

    path: str
    is_folder: bool
    files: tuple[tuple[str, Signature], ...]  # by relative path, sorted; "" for a file itself
    folders: tuple[str, ...]  # relative, sorted

    def location(self, relative: str) -> str:
        """Where a file lies."""
        return str(Path(self.path, relative)) if relative else self.path


def list_data(path: str) -> Listing:
    """What lies at `path`. Raises OSError."""
    files: list[tuple[str, Signature]] = []
    folders: list[str] = []

    def walk(folder: str, prefix: str, depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.name.isprintable():  # such as bytes that are no text
                    raise OSError(errno.EILSEQ, f"the name {entry.name!r} is no text")
                if not entry.is_dir():
                    files.append((prefix + entry.name, _signature(entry.stat())))
                elif depth < _MAX_DEPTH:
                    folders.append(prefix + entry.name)
                    walk(entry.path, f"{prefix}{entry.name}/", depth + 1)

    if Path(path).is_dir():
        walk(path, "", 1)
        return Listing(
            path=path, is_folder=True, files=tuple(sorted(files)), folders=tuple(sorted(folders))
        )
    return Listing(
        path=path, is_folder=False, files=(("", _signature(Path(path).stat())),), folders=()
    )


def digest_of_listing(listing: Listing, files: DataFiles, store: Store) -> str:
    """SHA-256 over every file's content and path, and over how `files` has them read.

    Where the data lies does not enter it, nor the name of a single file but its suffix.
    Raises AnvilError where a file cannot be read.
    """
    key = key_of(["data index", str(Path(listing.path).absolute())])
    known = _read_index(store, key)
    index: dict[str, list[Any]] = {}
    digests = []
    for relative, signature in listing.files:
        row = known.get(relative)
        if row is not None and tuple(row[:4]) == signature:
            sha256 = str(row[4])
            index[relative] = row
        else:
            begun_ns = time.time_ns()
            sha256 = _sha256(listing.location(relative))
            if max(signature[1], signature[2]) < begun_ns - _TICK_NS:
                index[relative] = [*signature, sha256]
        digests.append([relative or Path(listing.path).suffix.lower(), sha256])
    if index != known:
        content = canonical_json({"format": _INDEX_FORMAT, "files": index})
        write_result(store, key, store.put_tree({_INDEX: content}, frozenset()))
    return key_of(
        {
            "reading": _READING,
            "files": digests,
            "folders": listing.folders,
            "keys": [files.keys_x, files.keys_by_input, files.key_y],
            "scale": files.scale,
        }
    )


def _signature(found: os.stat_result) -> Signature:
    if not stat.S_ISREG(found.st_mode):
        # A pipe or a device may never end.
        raise OSError(errno.EINVAL, "it is no regular file")
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _read_index(store: Store, key: str) -> dict[str, list[Any]]:
    tree = read_result(store, key)
    files = None if tree is None else store.get_tree(tree)
    if files is None:
        return {}
    document = json.loads(files[_INDEX])
    known: dict[str, list[Any]] = document["files"]
    return known if document["format"] == _INDEX_FORMAT else {}


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="data.unreadable",
                message=f"cannot read it: {error.strerror or error}",
                file=path,
                hint="check the file",
            )
        ) from error
    return digest.hexdigest()
