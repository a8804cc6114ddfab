"""What compilers build for themselves, prepared once for isolated runs.

Zig builds its runtime library at a first link, half a minute of work that a fresh container
would repeat. An action's `warm_up` says which commands make it do so; they run once for each
root file system, in the same isolation, as an action of their own whose result is cached. Every
later run gets a copy, so that no build writes what another one reads.
"""

from __future__ import annotations

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

from anvil.build.perform import known
from anvil.cache.results import write_result
from anvil.cache.store import TEMPORARY, VanishedError
from anvil.core.action import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.cache.store import Store
    from anvil.core.action import Tree
    from anvil.core.image import Image

_ARCHIVE = "cache.tar"
_FOLDER = "prepared"  # below the store's tools/, and collected with them
_TIMEOUT_S = 900
_WORKER = Path(__file__).with_name("prepare_worker.py")
# With both of the entry points that the projects have.
_SOURCE = b"void _start(void) {}\nvoid Reset_Handler(void) {}\n"


class Prepared:
    """The prepared caches of one executor; several threads may ask at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def folder_for(
        self, action: Action, image: Image, store: Store, run: Callable[[Action], Tree]
    ) -> Path | None:
        """The folder with what `action` finds in its tool cache, made by `run` where it is not.

        None for an action that has nothing to warm up. Raises what `run` does.
        """
        if not action.warm_up:
            return None
        preparation = _preparation(action, image, store)
        folder = (store.tool_cache / _FOLDER / preparation.key).absolute()
        with self._guard:
            lock = self._locks[preparation.key]
        with lock:
            if not folder.is_dir():
                _unpack(_archive(preparation, store, run), folder, store)
        return folder


def _preparation(action: Action, image: Image, store: Store) -> Action:
    files = {"main.py": _WORKER.read_bytes(), "start.c": _SOURCE}
    return Action(
        kind="prepare",
        argv=("{python}", "-I", "main.py", json.dumps(action.warm_up), _ARCHIVE),
        environment=(
            # Another root may hold the same versions of other builds.
            ("ANVIL_ROOT", image.sha256),
            ("ZIG_GLOBAL_CACHE_DIR", "{work}/cache"),
            ("ZIG_LOCAL_CACHE_DIR", "{work}/cache"),
        ),
        inputs=store.put_tree(files, frozenset()),
        tools=action.tools,
        outputs=(_ARCHIVE,),
        timeout_s=_TIMEOUT_S,
    )


def _archive(preparation: Action, store: Store, run: Callable[[Action], Tree]) -> bytes:
    tree = known(preparation.key, store)
    files = None if tree is None else store.get_tree(tree)
    if files is None:
        tree = run(preparation)
        write_result(store, preparation.key, tree)
        files = store.get_tree(tree)
    if files is None:
        raise VanishedError
    return files[_ARCHIVE]


def _unpack(archive: bytes, folder: Path, store: Store) -> None:
    with store.explained():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=TEMPORARY))
        try:
            # Another user of the root has to read it.
            temporary.chmod(0o755)
            with tarfile.open(fileobj=io.BytesIO(archive)) as members:
                for member in members:
                    _unpack_file(members, member, temporary)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            # Another process may have been faster.
            if not folder.is_dir():
                raise


def _unpack_file(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Only plain files below the folder; Python 3.11 has no filters before its fourth release."""
    content = archive.extractfile(member) if member.isfile() else None
    parts = member.name.split("/")
    if content is None or not set(parts).isdisjoint({"", ".", ".."}):
        return
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.read())
    os.utime(path, times=(member.mtime, member.mtime))
