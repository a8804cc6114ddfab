"""One command writes into an output folder at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.package.install import unwritable
from anvil.pipeline.events import Event

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anvil.pipeline.events import Listener

_FILE = ".anvil.lock"


def held(out: Path, listener: Listener) -> AbstractContextManager[object]:
    """`out`, held for this command; a lock that another process holds is waited for, and this told.

    Raises AnvilError (exit 1) where the folder cannot be written.
    """
    import filelock

    lock = filelock.FileLock(out / _FILE)
    try:
        out.mkdir(parents=True, exist_ok=True)
        try:
            return lock.acquire(timeout=0)
        except filelock.Timeout:
            listener(Event(target="", step=f"waiting for another anvil in {out}"))
            try:
                return lock.acquire()
            finally:
                listener(Event(target="", step=""))
    except OSError as error:
        raise unwritable(out, error) from error
