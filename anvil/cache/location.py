"""Where the user's cache lies."""

from __future__ import annotations

import os
from pathlib import Path

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

VARIABLE = "ANVIL_CACHE_DIR"


def user_store() -> Store:
    """The store in ANVIL_CACHE_DIR, or in the platform's cache folder for `anvil`.

    Raises AnvilError (exit 1) for a user without a home folder who names none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Store(root=Path(named).absolute())
    import platformdirs  # noqa: PLC0415  not needed where the folder is named

    try:
        folder = Path(platformdirs.user_cache_dir("anvil", appauthor=False))
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():
        raise AnvilError(
            Diagnostic(
                code="cache.no-home",
                message="this user has no home folder to keep the cache in",
                hint=f"name a folder in {VARIABLE}, or set HOME",
            ),
            exit_code=ExitCode.FAILED,
        )
    return Store(root=folder)
