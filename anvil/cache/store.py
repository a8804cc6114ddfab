"""Blobs by digest, on disk, shared by every project of a user.

A blob is written to a temporary file on the same file system and renamed, so that a reader
sees all of it or nothing; it is hashed when read, and a damaged one is removed and counts as
missing, so that whoever needs it makes it again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.action import FileNode, Tree
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import Digest, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BLOB_MODE = 0o444  # nobody writes through a path of the store by accident
TEMPORARY = ".tmp-"  # how a file's name begins while it is written


class VanishedError(AnvilError):
    """A blob that was believed known is gone or damaged: whoever made it makes it again."""

    def __init__(self) -> None:
        super().__init__(
            Diagnostic(
                code="cache.vanishing",
                message="files of the cache vanish or change while they are read",
                hint="run `anvil cache verify`, and no `anvil cache gc` beside a build",
            ),
            exit_code=ExitCode.FAILED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The folder of the cache: `cas/` blobs, `ac/` results, `tools/` compilers' own caches."""

    root: Path

    @property
    def tool_cache(self) -> Path:
        """A lasting folder for what the pinned tools build for themselves."""
        return self.root / "tools"

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Work in the cache's folder; what the system refuses becomes an AnvilError (exit 1)."""
        try:
            yield
        except OSError as error:
            raise AnvilError(
                Diagnostic(
                    code="cache.unwritable",
                    message=f"cannot use the cache folder {self.root}: {_reason(error)}",
                    file=str(self.root),
                    hint=(
                        "free some space, run `anvil cache gc`, or name another folder in "
                        "ANVIL_CACHE_DIR"
                    ),
                ),
                exit_code=ExitCode.FAILED,
            ) from error

    def write_atomically(self, path: Path, content: bytes) -> None:
        """Replace `path` (in the cache) as a whole. Raises AnvilError where that fails."""
        with self.explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(temporary).chmod(_BLOB_MODE)
                Path(temporary).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise

    def work_folder(self) -> tempfile.TemporaryDirectory[str]:
        """A fresh folder on the cache's file system, removed at its end."""
        with self.explained():
            (self.root / "work").mkdir(parents=True, exist_ok=True)
            self.tool_cache.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(
                dir=self.root / "work", prefix="action-", ignore_cleanup_errors=True
            )

    def path_of(self, digest: Digest) -> Path:
        """Where the blob of `digest` lies, if it does."""
        return self.root / "cas" / digest.sha256[:2] / digest.sha256

    def put(self, content: bytes) -> Digest:
        """Keep a blob. One that is there already is left, unless it is damaged."""
        digest = digest_of(content)
        path = self.path_of(digest)
        try:
            found = path.read_bytes()
        except OSError:
            found = None
        if found != content:
            self.write_atomically(path, content)
        else:
            _touch(path)
        return digest

    def get(self, digest: Digest) -> bytes | None:
        """The blob, or None where it is missing or damaged (and then removed)."""
        path = self.path_of(digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if len(content) == digest.size_bytes and (
            hashlib.sha256(content).hexdigest() == digest.sha256
        ):
            return content
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put_tree(self, files: Mapping[str, bytes], executables: frozenset[str]) -> Tree:
        """Keep every file; the tree that names them."""
        return Tree(
            files=tuple(
                FileNode(path=path, digest=self.put(content), executable=path in executables)
                for path, content in sorted(files.items())
            )
        )

    def get_tree(self, tree: Tree) -> dict[str, bytes] | None:
        """Every file by path, or None where a single one is missing or damaged."""
        files: dict[str, bytes] = {}
        for node in tree.files:
            content = self.get(node.digest)
            if content is None:
                return None
            files[node.path] = content
        return files


def _touch(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(path, times=(time.time(), time.time()))


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "no space is left on its disk"
    return error.strerror or str(error)
