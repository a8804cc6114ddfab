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
from typing import Any

from anvil.data import DATA_ROOT, PACKAGE, digests_below

RECORD_FORMAT = 1
_FOLDER = ".anvil"
_N_RECORDS = 8  # one for each list of targets that is asked for in turn
_DATA_FOLDERS = ("kernels", "templates", "targets", "schemas")
_PROJECT_FOLDERS = ("kernels", "targets")


def is_plain(arguments: Any) -> bool:  # noqa: ANN401  argparse's namespace
    """Whether a build was asked for without options that change what is built."""
    return not arguments.no_rewrite and arguments.optimize is None


def inputs_key(project: str, out: str, targets: tuple[str, ...] | None) -> str | None:
    """A digest of all that a build of `targets` depends on but the model; None without one.

    Anvil's own code and data, anvil.yaml, and the project's kernels/ and targets/ enter it,
    by content. The model's path stands in anvil.yaml, so the record has the model's digest.
    Where project and output lie enters it too: the record of a copied folder is not believed.
    So does when a package was last installed, removed or replaced beside this Python.
    """
    try:
        with open(os.path.join(project, "anvil.yaml"), "rb") as file:
            config = file.read()
        places = [os.path.abspath(project), os.path.abspath(out)]
        parts: list[object] = [RECORD_FORMAT, sys.version, places, targets, _sha256(config)]
        parts += [[path, os.stat(path).st_mtime_ns] for path in sys.path if _has_packages(path)]
        folders = [PACKAGE, *(os.path.join(DATA_ROOT, name) for name in _DATA_FOLDERS)]
        folders += [os.path.join(project, name) for name in _PROJECT_FOLDERS]
        # A list each: a file that moves from one folder to another is a change.
        parts += [digests_below(folder) for folder in folders]
    except OSError:
        return None
    return _sha256(json.dumps(parts).encode())


def warm_targets(out: str, key: str) -> list[str] | None:
    """The targets of the record for `key`, in order, if every file is as it says."""
    try:
        with open(_record_path(out, key), "rb") as file:
            record = json.load(file)
        files = [record["model"], *record["files"]]
        is_whole = record["key"] == key and all(_holds(*row) for row in files)
        return list(record["targets"]) if is_whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(out: str, key: str, model: str, model_sha256: str, targets: list[str]) -> None:
    """Write the record of a build that ended well; not being able to is no failure."""
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
        model_row = [os.path.abspath(model), model_sha256, False]
        record = {"key": key, "model": model_row, "targets": targets, "files": files}
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
