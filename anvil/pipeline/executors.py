"""Where the actions of one command run: `--executor`, and what auto makes of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.executor_names import AUTO, HERMETIC, HOST
from anvil.pipeline.events import Event

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.cache.store import Store
    from anvil.core.action import Action
    from anvil.core.executor import Executor
    from anvil.pipeline.events import Listener
    from anvil.process import Cancellation

# What a root file system has the tools for. All else, such as quantizing, is the business of
# Anvil's own Python and its pinned packages.
_HERMETIC_KIND = "build"


class Executors:
    """The executors of one command; a build that has nothing to run makes none of them."""

    def __init__(
        self, *, wanted: str, store: Store, cancellation: Cancellation, project: Path
    ) -> None:
        self._wanted = wanted
        self._store = store
        self._cancellation = cancellation
        self._project = project
        self._lock = threading.Lock()
        self._builder: Executor | AnvilError | None = None
        self._listener: Listener | None = None
        self._is_locked = False
        self._of_root: str | None = None  # what is to be said of the root file system

    def hold_to_lock(self) -> None:
        """Take no other root file system than the one that anvil.lock names."""
        self._is_locked = True

    def announce_to(self, listener: Listener) -> None:
        """Tell `listener` which executor was chosen, and why, once it is."""
        self._listener = listener

    def choose(self, action: Action) -> Executor:
        """What runs `action`. Raises AnvilError (exit 1) where what was asked for is not here."""
        return self.builder() if action.kind == _HERMETIC_KIND else self._make(HOST)

    def builder(self) -> Executor:
        """What compilers run in, chosen at the first call. Raises AnvilError as `choose` does."""
        with self._lock:
            if self._builder is None:
                try:
                    self._builder, why = self._chosen()
                except AnvilError as error:
                    self._builder = error
                else:
                    self._announce(self._builder, why)
        if isinstance(self._builder, AnvilError):
            raise self._builder
        return self._builder

    def _announce(self, chosen: Executor, why: list[str]) -> None:
        if self._listener is not None:
            of_root = [self._of_root] if self._of_root and chosen.name != HOST else []
            step = "; ".join((f"executor {chosen.name}: {chosen.notice}", *of_root, *why))
            self._listener(Event(target="", step=step, is_note=True))

    def _chosen(self) -> tuple[Executor, list[str]]:
        """The executor, and for auto why it is not one that comes before."""
        if self._wanted != AUTO:
            return self._make(self._wanted), []
        reasons: list[str] = []
        for name in HERMETIC:
            try:
                return self._make(name), reasons
            except AnvilError as error:
                if error.exit_code is not ExitCode.FAILED:
                    raise
                reasons += _reasons(name, error)
        # What stands in the way of both is said once.
        return self._make(HOST), list(dict.fromkeys(reasons))

    def _make(self, name: str) -> Executor:
        """Raises AnvilError (exit 1) where this machine cannot use it."""
        from anvil.build.host import HostExecutor

        if name == HOST:
            return HostExecutor(store=self._store, cancellation=self._cancellation)
        from anvil.pipeline.root import find_root

        root, self._of_root = find_root(self._store, self._project, is_locked=self._is_locked)
        if name == "docker":
            from anvil.build.docker import DockerExecutor, check_docker

            check_docker()
            return DockerExecutor(store=self._store, cancellation=self._cancellation, root=root)
        from anvil.build.sandbox import SandboxExecutor, check_sandbox

        check_sandbox()
        return SandboxExecutor(store=self._store, cancellation=self._cancellation, root=root)


def _reasons(name: str, error: AnvilError) -> list[str]:
    found = []
    for diagnostic in error.diagnostics:
        if diagnostic.code in {"image.missing", "lock.image-missing"}:
            found.append(f"{diagnostic.message}: {diagnostic.hint}")
        else:
            found.append(f"not {name}, since {diagnostic.message}")
    return found
