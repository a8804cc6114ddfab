"""The host executor: runs an action in a fresh folder of this machine.

Not hermetic: the network and the file system are in sight. What it does hold: only the
action's files lie in the folder, only its environment is set, only its outputs come back.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anvil import process
from anvil.build.conditions import find_faketime, variables
from anvil.build.ending import SHORT_OF_MEMORY, describe
from anvil.build.exchange import collect, expand, failure, materialise
from anvil.build.tools import check_host, find_tools
from anvil.core.executor import USUAL

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree
    from anvil.core.executor import Conditions

# What a program needs to start at all; nothing of it reaches an output.
_PASSED_ON = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
# Nothing of the user's is read, and a program that wants to write there is found out.
_NO_HOME = "/nonexistent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostExecutor:
    """Runs actions here, with the pinned tools of the running Python."""

    store: Store
    cancellation: process.Cancellation

    @property
    def name(self) -> str:
        """As `--executor` names it."""
        return "host"

    @property
    def notice(self) -> str:
        """How far it is hermetic."""
        return "not hermetic, tools pinned by version"

    @property
    def variable(self) -> frozenset[str]:
        """What it can vary: the user only as root, the clock only with libfaketime."""
        found = {"folder", "umask", "locale", "time_zone"}
        if _can_change_user(self.store):
            found.add("user")
        if find_faketime() is not None:
            found.add("clock_offset_s")
        return frozenset(found)

    def check(self, action: Action) -> None:
        """Refuse an action whose tools are not here in the versions of its key (exit 1)."""
        check_host(action)

    def run(self, action: Action, *, conditions: Conditions = USUAL) -> Tree:
        """Run `action` and keep its outputs in the store; see core/executor.py."""
        self.check(action)
        with self.store.work_folder() as name:
            folder = Path(name)
            if conditions.folder is not None:
                folder = folder / PurePosixPath(conditions.folder).name
                with self.store.explained():
                    folder.mkdir()
            materialise(self.store, action.inputs, folder)
            tool_cache = self.store.tool_cache
            if conditions.user is not None:
                tool_cache = self._hand_over(Path(name), conditions.user)
            tokens = find_tools().as_tokens() | {"tool_cache": str(tool_cache), "work": str(folder)}
            environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
            environment |= {"HOME": _NO_HOME, "TMPDIR": str(folder)}
            environment |= {key: expand(value, tokens) for key, value in action.environment}
            environment |= variables(conditions, find_faketime())
            try:
                completed = process.run(
                    [expand(word, tokens) for word in action.argv],
                    cwd=folder,
                    environment=environment,
                    timeout_s=action.timeout_s,
                    cancellation=self.cancellation,
                    umask=conditions.umask,
                    user=conditions.user,
                )
            except OSError as error:
                what = f"cannot start {action.argv[0]}: {error.strerror}"
                raise failure(action, what, "") from error
            log = (completed.stdout + completed.stderr).decode(errors="replace")
            log = log.replace(str(folder), ".")
            if completed.timed_out:
                raise failure(action, f"took longer than {action.timeout_s} s and was ended", log)
            problem = describe(completed.returncode)
            if problem is not None:
                raise failure(action, problem, log, hint=SHORT_OF_MEMORY)
            if completed.returncode != 0:
                raise failure(action, f"ended with exit code {completed.returncode}", log)
            places = {output: folder / output for output in action.outputs}
            return collect(action, places, self.store, log)

    def _hand_over(self, top: Path, user: int) -> Path:
        """Give the work folder to `user`; the tool cache of that user alone."""
        with self.store.explained():
            top.chmod(0o711)
            for path in (top, *top.rglob("*")):
                os.chown(path, user, user)
            # Who writes here must not be able to change what another user's build reads.
            tool_cache = self.store.tool_cache / f"user-{user}"
            tool_cache.mkdir(parents=True, exist_ok=True)
            os.chown(tool_cache, user, user)
        return tool_cache


def _can_change_user(store: Store) -> bool:
    """Whether we are root, and another user reaches the cache and the tools."""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    # A virtual environment's Python leads to one that may lie elsewhere.
    python = Path(sys.executable).resolve()
    places = [store.root.absolute(), Path(sys.prefix).absolute(), Path(sys.base_prefix), python]
    folders = {folder for place in places for folder in (place, *place.parents)}
    return all(folder.stat().st_mode & 0o001 for folder in folders if folder.exists())
