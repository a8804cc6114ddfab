"""What compilers build for themselves, prepared once for isolated runs.

Zig builds its runtime library at a first link, half a minute of work that a fresh container
would repeat. An action's `warm_up` says which commands make it do so; they run once for each
root file system, in the same isolation, as an action of their own. Every later run gets a copy,
so that no build writes what another one reads. What lies there is hashed before it is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.build.exchange import make_folders
from anvil.cache.store import TEMPORARY, VanishedError
from anvil.core.action import Action
from anvil.core.digest import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.build.root import Root
    from anvil.cache.store import Store
    from anvil.core.action import Tree

_ARCHIVE = "cache.tar"
# In a preparation's folder, which appears whole or not at all.
_CACHE, _DIGEST = "cache", "digest"
_TIMEOUT_S = 900
_WORKER = Path(__file__).with_name("prepare_worker.py")
# With both of the entry points that the projects have.
_SOURCE = b"void _start(void) {}\nvoid Reset_Handler(void) {}\n"


class Prepared:
    """The prepared caches of one root; several threads may ask at once."""

    def __init__(self, root: Root, store: Store) -> None:
        self._root = root
        self._store = store
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._checked: set[Path] = set()

    def folder_for(self, action: Action, run: Callable[[Action], Tree]) -> Path | None:
        """The folder with what `action` finds in its tool cache, made by `run` where it is not.

        None for an action that has nothing to warm up. Raises what `run` does.
        """
        if not action.warm_up:
            return None
        preparation = self._preparation(action)
        folder = (self._root.prepared / preparation.key).absolute()
        with self._guard:
            lock = self._locks[preparation.key]
        with lock:
            if folder not in self._checked and not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                files = self._store.get_tree(run(preparation))
                if files is None:
                    raise VanishedError
                _unpack(files[_ARCHIVE], folder, self._store)
            self._checked.add(folder)
        return folder / _CACHE

    def _preparation(self, action: Action) -> Action:
        files = {"main.py": _WORKER.read_bytes(), "start.c": _SOURCE}
        return Action(
            kind="prepare",
            argv=("{python}", "-I", "main.py", json.dumps(action.warm_up), _ARCHIVE),
            environment=(
                ("ZIG_GLOBAL_CACHE_DIR", "{work}/cache"),
                ("ZIG_LOCAL_CACHE_DIR", "{work}/cache"),
            ),
            inputs=self._store.put_tree(files, frozenset()),
            tools=action.tools,
            outputs=(_ARCHIVE,),
            timeout_s=_TIMEOUT_S,
        )


def _unpack(archive: bytes, folder: Path, store: Store) -> None:
    with store.explained():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=TEMPORARY))
        try:
            cache = temporary / _CACHE
            cache.mkdir()
            with tarfile.open(fileobj=io.BytesIO(archive)) as members:
                for member in members:
                    _unpack_file(members, member, cache)
            (temporary / _DIGEST).write_text(_digest_below(cache), encoding="ascii")
            # Whoever a container runs as has to read it, whatever the caller's umask.
            for path in (temporary, *temporary.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            # Another process may have been faster.
            if not folder.is_dir():
                raise


def _is_whole(folder: Path) -> bool:
    """Whether it is there, and holds what was unpacked."""
    try:
        expected = (folder / _DIGEST).read_text(encoding="utf-8", errors="replace")
        return _digest_below(folder / _CACHE) == expected
    except OSError:
        return False


def _digest_below(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return key_of(
        [
            [path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
            for path in files
        ]
    )


def _unpack_file(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Only plain files below the folder; Python 3.11 has no filters before its fourth release."""
    content = archive.extractfile(member) if member.isfile() else None
    parts = member.name.split("/")
    if content is None or not set(parts).isdisjoint({"", ".", ".."}):
        return
    path = folder.joinpath(*parts)
    make_folders(folder, path.parent)
    path.write_bytes(content.read())
    path.chmod(0o644)
    os.utime(path, times=(member.mtime, member.mtime))
