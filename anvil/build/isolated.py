"""What a sandbox and a container have in common: one script, two folders, constant paths.

Inside there is the root file system, read-only; the action's files, read-only; a work folder in
memory, into which they are copied, since build tools write beside their sources; and one output
folder, from which only numbered regular files come back.
"""

from __future__ import annotations

import os
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.build.conditions import variables
from anvil.build.exchange import collect, expand, failure, make_folders, materialise, read_log
from anvil.build.prepared import Prepared
from anvil.build.root import INPUT, OUTPUT, PATH, PREPARED, TOOL_CACHE, TOOLS, WORK, check_root
from anvil.core.executor import USUAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.build.root import Root
    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree
    from anvil.core.executor import Conditions
    from anvil.process import Cancellation

HOST_NAME = "anvil"
_NO_HOME = "/nonexistent"
_NOBODY = 65534
_UNSTARTED = "unstarted"
_LOG = "log"
# The exit code of the script where the command could not be started.
_CANNOT_START = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, as an executor has to start it: `/bin/sh -c script`, and what it sees."""

    script: str
    input: Path  # at INPUT, read-only
    output: Path  # at OUTPUT
    prepared: Path | None  # at PREPARED, read-only
    work: str  # the path inside of a folder in memory
    user: int  # uid and gid inside
    timeout_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended."""

    log: str  # what was said outside of the script
    problem: str | None = None  # what happened to it; None where the script came to its end
    hint: str | None = None
    exit_code: int = 0  # of the script


def run_isolated(
    action: Action,
    *,
    root: Root,
    store: Store,
    conditions: Conditions,
    prepared: Path | None,
    start: Callable[[Job], Ended],
) -> Tree:
    """Run `action` through `start` and keep its outputs in the store; see core/executor.py."""
    work = conditions.folder or WORK
    with store.work_folder() as name:
        folder = Path(name).resolve()
        inputs, outputs = folder / "input", folder / "output"
        with store.explained():
            # Whoever runs the command inside writes here, whatever that user's number is outside;
            # nobody else gets past the folder around it.
            make_folders(folder, inputs)
            make_folders(folder, outputs)
            outputs.chmod(0o777)
        materialise(store, action.inputs, inputs)
        ended = start(
            Job(
                script=_script(action, root, conditions, work, has_prepared=prepared is not None),
                input=inputs,
                output=outputs,
                prepared=prepared,
                work=work,
                user=user_inside(conditions),
                timeout_s=action.timeout_s,
            )
        )
        # What the executor's own program said comes last: it is why nothing ran.
        log = (read_log(outputs / _LOG) + ended.log).replace(work, ".")
        if ended.problem is not None:
            raise failure(action, ended.problem, log, hint=ended.hint)
        if ended.exit_code == _CANNOT_START and (outputs / _UNSTARTED).exists():
            raise failure(action, f"cannot start {action.argv[0]}: it is not in the root", log)
        if ended.exit_code != 0:
            raise failure(action, f"ended with exit code {ended.exit_code}", log)
        places = {output: outputs / str(n) for n, output in enumerate(action.outputs)}
        return collect(action, places, store, log)


def user_inside(conditions: Conditions) -> int:
    """The uid and gid of the command: the caller's, but never root's."""
    if conditions.user is not None:
        return conditions.user
    return os.getuid() or _NOBODY


def _script(
    action: Action, root: Root, conditions: Conditions, work: str, *, has_prepared: bool
) -> str:
    tokens = TOOLS.as_tokens() | {"tool_cache": TOOL_CACHE, "work": work}
    environment = {"PATH": PATH, "HOME": _NO_HOME, "TMPDIR": work}
    environment |= {key: expand(value, tokens) for key, value in action.environment}
    environment |= variables(conditions, root.faketime)
    words = [expand(word, tokens) for word in action.argv]
    command = shlex.join(
        ["env", "-i", *(f"{key}={value}" for key, value in environment.items()), *words]
    )
    program = shlex.quote(words[0])
    lines = [
        "set -e",
        # A file loses nothing, where an engine may stop to listen before all has been said.
        f"exec >{OUTPUT}/{_LOG} 2>&1",
        "umask 022",
        f"cp -R --preserve=mode,timestamps {INPUT}/. {shlex.quote(work)}",
    ]
    if has_prepared:
        lines.append(f"cp -R --preserve=timestamps {PREPARED}/. {TOOL_CACHE}")
    lines += [
        f"cd {shlex.quote(work)}",
        f"command -v {program} >{OUTPUT}/{_UNSTARTED} || exit {_CANNOT_START}",
        f"rm {OUTPUT}/{_UNSTARTED}",
        # In a shell of its own, that this one's mask stays as it is.
        f"(umask {conditions.umask:03o}; exec {command}) || exit $?",
    ]
    for n, output in enumerate(action.outputs):
        # Regular files alone: a copy of a pipe would never end.
        path = shlex.quote(f"./{output}")  # no name is an option
        lines.append(f"if [ -f {path} ]; then cp {path} {OUTPUT}/{n}; chmod a+r {OUTPUT}/{n}; fi")
    return "\n".join(lines)


class IsolatedExecutor(ABC):
    """What runs actions over a root file system; a subclass says how one run is started."""

    def __init__(self, *, store: Store, cancellation: Cancellation, root: Root) -> None:
        self._store = store
        self._cancellation = cancellation
        self._root = root
        self._prepared = Prepared(root, store)

    @property
    def variable(self) -> frozenset[str]:
        """All, and the clock where the root has libfaketime."""
        found = {"folder", "umask", "locale", "time_zone", "user"}
        return frozenset(found | ({"clock_offset_s"} if self._root.faketime else set()))

    def check(self, action: Action) -> None:
        """Refuse an action whose tools the root lacks (exit 1)."""
        check_root(action, self._root.image)

    def run(self, action: Action, *, conditions: Conditions = USUAL) -> Tree:
        """Run `action` and keep its outputs in the store; see core/executor.py."""
        self.check(action)
        return run_isolated(
            action,
            root=self._root,
            store=self._store,
            conditions=conditions,
            prepared=self._prepared.folder_for(action, self.run),
            start=self._start,
        )

    @abstractmethod
    def _start(self, job: Job) -> Ended:
        """Run a job to its end. Raises AnvilError where it cannot be started."""
