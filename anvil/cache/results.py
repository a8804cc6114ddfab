"""What actions and pure stages gave, by key: `ac/<key>`.

An entry names output files by digest. It is believed only as far as it can be read; an entry
that cannot be is a miss. A failed action has no entry.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING

from anvil.core.action import Tree
from anvil.core.digest import canonical_json

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
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path, times=(time.time(), time.time()))
    return tree


def write_result(store: Store, key: str, outputs: Tree) -> None:
    """Keep the outputs of `key`, whose blobs are in the store already."""
    store.write_atomically(
        result_path(store, key),
        canonical_json({"format": RESULT_FORMAT, "outputs": outputs.as_json()}),
    )
