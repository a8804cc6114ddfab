"""Where the actions of one command run: `--executor`, and what auto makes of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from anvil.pipeline.events import Event

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.action import Action
    from anvil.core.executor import Executor
    from anvil.pipeline.events import Listener
    from anvil.process import Cancellation

AUTO = "auto"
NAMES = (AUTO, "host")
# What a root file system has the tools for. All else, such as quantizing, is the business of
# Anvil's own Python and its pinned packages.
_HERMETIC_KIND = "build"


class Executors:
    """The executors of one command; a build that has nothing to run makes none of them."""

    def __init__(self, *, wanted: str, store: Store, cancellation: Cancellation) -> None:
        self._wanted = wanted
        self._store = store
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._builder: Executor | None = None
        self._listener: Listener | None = None

    def announce_to(self, listener: Listener) -> None:
        """Tell `listener` which executor was chosen, and why, once it is."""
        self._listener = listener

    def choose(self, action: Action) -> Executor:
        """What runs `action`. Raises AnvilError (exit 1) where what was asked for is not here."""
        if action.kind != _HERMETIC_KIND:
            return self._host()
        return self.builder()

    def builder(self) -> Executor:
        """What compilers run in."""
        with self._lock:
            if self._builder is None:
                self._builder = self._host()
                if self._listener is not None:
                    step = f"executor {self._builder.name}: {self._builder.notice}"
                    self._listener(Event(target="", step=step, is_note=True))
            return self._builder

    def _host(self) -> Executor:
        from anvil.build.host import HostExecutor

        return HostExecutor(store=self._store, cancellation=self._cancellation)
