"""Where Anvil's own files lie, and their digests; imports next to nothing."""

from __future__ import annotations

import hashlib
import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))
_PACKED = os.path.join(PACKAGE, "_data")
# In a checkout the data lies beside the package, in a wheel inside it.
DATA_ROOT = _PACKED if os.path.isdir(_PACKED) else os.path.dirname(PACKAGE)


def digests_below(folder: str, prefix: str = "") -> list[tuple[str, str]]:
    """(relative path, SHA-256) of every file below, sorted; [] where there is no folder.

    Hidden files, compiled Python and a wheel's data folder are left out. OSError where a
    file cannot be read.
    """
    found: list[tuple[str, str]] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in entries:
        if entry.name.startswith(".") or entry.name in {"__pycache__", "_data"}:
            continue
        if entry.is_dir():
            found += digests_below(entry.path, f"{prefix}{entry.name}/")
        else:
            with open(entry.path, "rb") as file:
                found.append((prefix + entry.name, hashlib.sha256(file.read()).hexdigest()))
    return found
