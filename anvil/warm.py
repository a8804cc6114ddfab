"""The shortest way to the answer "nothing to do": no YAML, no plan, no cache, one record.

After a build whose targets all succeeded without a word, a record beside them says which
inputs it saw and which files it left, all by SHA-256. While both still hold, a later build
of the same targets is done. Anything else, a missing or unreadable record included, takes
the ordinary way, which knows all of this by itself: the record only saves time.

This module and what it imports load in a few milliseconds; dataclasses alone take longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from typing import Any

from anvil.data import DATA_ROOT, PACKAGE, digests_below

RECORD_FORMAT = 3
_FOLDER = ".anvil"
_N_RECORDS = 8  # one for each list of targets that is asked for in turn
_DATA_FOLDERS = ("kernels", "templates", "targets", "schemas")
_PROJECT_FOLDERS = ("kernels", "targets", "quantized")
_LARGE_BYTES = 16 << 20
_TICK_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT's


def is_plain(arguments: Any) -> bool:  # noqa: ANN401  argparse's namespace
    """Whether a build was asked for without options that change what is built."""
    return not (
        arguments.no_rewrite or arguments.optimize is not None or arguments.allow_unsafe_model
    )


def inputs_key(
    project: str, out: str, targets: tuple[str, ...] | None, *, is_locked: bool
) -> str | None:
    """A digest of what a build of `targets` depends on but model and data; None without one.

    Anvil's own code and data, anvil.yaml, anvil.lock, and the project's kernels/, targets/ and
    quantized/ enter it, by content; and whether the build was held to the lock. Where the model
    and the data lie stands in anvil.yaml, so the record itself has their states. Where project
    and output lie enters it too: the record of a copied folder is not believed.
    So does when a package was last installed, removed or replaced beside this Python.
    """
    try:
        with open(os.path.join(project, "anvil.yaml"), "rb") as file:
            config = file.read()
        places = [os.path.abspath(project), os.path.abspath(out)]
        parts: list[object] = [RECORD_FORMAT, sys.version, places, targets, _sha256(config)]
        parts += [is_locked, _lock_state(os.path.join(project, "anvil.lock"))]
        parts += [[path, os.stat(path).st_mtime_ns] for path in sys.path if _has_packages(path)]
        folders = [PACKAGE, *(os.path.join(DATA_ROOT, name) for name in _DATA_FOLDERS)]
        folders += [os.path.join(project, name) for name in _PROJECT_FOLDERS]
        if is_locked:
            # The lock's hashes of wheels, and what its root file system is made of.
            folders += [os.path.join(DATA_ROOT, name) for name in ("requirements", "images")]
        # A list each: a file that moves from one folder to another is a change.
        parts += [digests_below(folder) for folder in folders]
    except OSError:
        return None
    return _sha256(json.dumps(parts).encode())


def _lock_state(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return _sha256(file.read())
    except FileNotFoundError:
        return None


def warm_targets(out: str, key: str) -> list[str] | None:
    """The targets of the record for `key`, in order, if every file is as it says."""
    try:
        with open(_record_path(out, key), "rb") as file:
            record = json.load(file)
        is_whole = (
            record["key"] == key
            and all(_holds(*row) for row in record["files"])
            and all(state_of(path) == state for path, state in record["inputs"])
        )
        return list(record["targets"]) if is_whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_of(path: str) -> list[object]:
    """What a model or data lies at `path`: a file's SHA-256, and of a folder those of all in it.

    A large file, or every file of a large folder, is known by its size, times and inode, as Git
    knows its index: hashing would take longer than the build that is spared. OSError where it
    cannot be read, or is large and so new that it could change again without a change of times.
    """
    if not os.path.isdir(path):
        return _file_state(path, is_large=os.stat(path).st_size > _LARGE_BYTES)
    files, folders = _below(path)
    is_large = sum(os.stat(file).st_size for file in files) > _LARGE_BYTES
    rows = [[os.path.relpath(file, path), _file_state(file, is_large=is_large)] for file in files]
    # An empty folder may be a class of the data.
    return [*rows, [os.path.relpath(folder, path) for folder in folders]]


def _below(folder: str) -> tuple[list[str], list[str]]:
    """The files and the folders below, in order."""
    files, folders = [], []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            more_files, more_folders = _below(entry.path)
            files += more_files
            folders += [entry.path, *more_folders]
        else:
            files.append(entry.path)
    return files, folders


def _file_state(path: str, *, is_large: bool) -> list[object]:
    if not is_large:
        with open(path, "rb") as file:
            return [_sha256(file.read())]
    stat = os.stat(path)
    if max(stat.st_mtime_ns, stat.st_ctime_ns) > time.time_ns() - _TICK_NS:
        raise OSError(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def states_of(paths: list[str]) -> list[tuple[str, list[object]]] | None:
    """The state of each path, made absolute; None where one cannot be read."""
    try:
        return [(os.path.abspath(path), state_of(path)) for path in paths]
    except OSError:
        return None


def remember(
    out: str, key: str, inputs: list[tuple[str, list[object]]], targets: list[str]
) -> None:
    """Write the record of a build that ended well; not being able to is no failure.

    inputs: what `states_of` gave for the model and the data before they were read.
    """
    with contextlib.suppress(OSError, ValueError, KeyError):
        files = []
        for target in targets:
            folder = os.path.join(out, target)
            manifest = os.path.join(folder, "manifest.json")
            with open(manifest, "rb") as file:
                content = file.read()
            files.append([os.path.abspath(manifest), _sha256(content), False])
            files += [
                [
                    os.path.abspath(os.path.join(folder, row["path"])),
                    row["sha256"],
                    row["executable"],
                ]
                for row in json.loads(content)["files"]
            ]
        record = {"key": key, "inputs": inputs, "targets": targets, "files": files}
        path = _record_path(out, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as text:
            json.dump(record, text)
        os.replace(temporary, path)
        _prune(os.path.dirname(path))


def forget(out: str) -> None:
    """Remove every record below `out`: their targets are gone or about to change."""
    folder = os.path.join(out, _FOLDER)
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            os.unlink(entry.path)
        os.rmdir(folder)


def _prune(folder: str) -> None:
    paths = [entry.path for entry in os.scandir(folder)]
    for path in sorted(paths, key=os.path.getmtime)[:-_N_RECORDS]:
        os.unlink(path)


def _has_packages(path: str) -> bool:
    return path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)


def _record_path(out: str, key: str) -> str:
    return os.path.join(out, _FOLDER, f"{key[:32]}.json")


def _holds(path: str, sha256: str, is_executable: bool) -> bool:  # noqa: FBT001  a row of JSON
    with open(path, "rb") as file:
        content = file.read()
    return _sha256(content) == sha256 and (not is_executable or os.access(path, os.X_OK))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
