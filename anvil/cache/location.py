"""Where the user's cache lies."""

from __future__ import annotations

import os
from pathlib import Path

from anvil.cache.store import Store

VARIABLE = "ANVIL_CACHE_DIR"


def user_store() -> Store:
    """The store in ANVIL_CACHE_DIR, or in the platform's cache folder for `anvil`."""
    named = os.environ.get(VARIABLE)
    if named:
        return Store(root=Path(named).absolute())
    import platformdirs  # noqa: PLC0415  not needed where the folder is named

    return Store(root=Path(platformdirs.user_cache_dir("anvil", appauthor=False)))
