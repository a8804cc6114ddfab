"""The pool: every .deb and .whl that an image was made of, by digest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK_BYTES = 1 << 20
_MODE = 0o444


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A folder of files that are named by their SHA-256."""

    folder: Path

    def path_of(self, sha256: str) -> Path:
        """Where the file lies, if it does."""
        return self.folder / sha256

    def find(self, sha256: str) -> Path | None:
        """The file, or None where it is missing or damaged (and then removed)."""
        path = self.path_of(sha256)
        try:
            if sha256_of(path) == sha256:
                return path
        except OSError:
            return None
        with suppress(OSError):
            path.unlink()
        return None

    def keep(self, source: Path) -> str:
        """Take a copy of a file; its SHA-256."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".tmp-")
        temporary = Path(name)
        try:
            hasher = hashlib.sha256()
            with os.fdopen(handle, "wb") as target, source.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    hasher.update(chunk)
                    target.write(chunk)
            temporary.chmod(_MODE)
            temporary.replace(self.path_of(hasher.hexdigest()))
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        return hasher.hexdigest()

    def lay_out(self, files: Iterable[tuple[str, str]], folder: Path) -> None:
        """Copy files of the pool, (SHA-256, name) each, into a folder, readable for all."""
        for sha256, name in files:
            path = folder / name
            shutil.copyfile(self.path_of(sha256), path)
            path.chmod(0o644)
