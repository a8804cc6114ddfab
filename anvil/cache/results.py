"""What actions and pure stages gave, by key: `ac/<key>`.

An entry names output files by digest, and holds a digest of its own over key and outputs. One
that cannot be read, or does not match it, is a miss. A failed action has no entry.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING

from anvil.core.action import Tree
from anvil.core.digest import canonical_json, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.cache.store import Store

RESULT_FORMAT = 1


def result_path(store: Store, key: str) -> Path:
    """Where the entry of `key` lies, if it does."""
    return store.root / "ac" / key[:2] / key


def read_result(store: Store, key: str) -> Tree | None:
    """The outputs that `key` gave, or None. Reading counts as use for the collector."""
    path = result_path(store, key)
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != RESULT_FORMAT:
            return None
        tree = Tree.from_json(document["outputs"])
        if document["digest"] != _digest(key, tree):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path, times=(time.time(), time.time()))
    return tree


def write_result(store: Store, key: str, outputs: Tree) -> None:
    """Keep the outputs of `key`, whose blobs are in the store already."""
    store.write_atomically(
        result_path(store, key),
        canonical_json(
            {
                "format": RESULT_FORMAT,
                "outputs": outputs.as_json(),
                "digest": _digest(key, outputs),
            }
        ),
    )


def _digest(key: str, outputs: Tree) -> str:
    return key_of([key, outputs.as_json()])
