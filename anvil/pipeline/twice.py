"""Two builds of one project that share nothing, for `anvil release` to compare.

The first runs here. The second runs in a process of its own, on a copy of the project in
another folder, under another umask, locale, time zone, user and clock, as far as this machine
can vary them. Each has an empty cache: planning, rendering and compiling happen twice.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.build.conditions import find_faketime, variables
from anvil.build.own_process import run_module
from anvil.cache.location import VARIABLE as CACHE_VARIABLE
from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.core.executor import Conditions
from anvil.pipeline.build import build
from anvil.pipeline.events import Event
from anvil.pipeline.executors import Executors
from anvil.pipeline.load import load_workspace
from anvil.pipeline.lock_held import held_to_lock
from anvil.pipeline.project_copy import copy_project
from anvil.pipeline.workspace import Options
from anvil.resources import package_parent

if TYPE_CHECKING:
    from anvil.core.action import Action, Tree
    from anvil.core.executor import Executor
    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace
    from anvil.process import Cancellation

# What varies, in words for people, by the field of Conditions.
WORDS = {
    "folder": "the folder",
    "umask": "the umask",
    "locale": "the locale",
    "time_zone": "the time zone",
    "user": "the user",
    "clock_offset_s": "the clock",
}
_NOBODY = 65534
_OTHER = Conditions(
    folder="/elsewhere/another-work-folder",
    umask=0o077,
    locale="C",
    time_zone="ANV-13:45",  # POSIX: no zone of the world, and needs no list of zones
    user=_NOBODY - (hasattr(os, "getuid") and os.getuid() == _NOBODY),
    clock_offset_s=401 * 86_400 + 12_345,
)
# Longer than any build; what hangs inside has limits of its own.
_TIMEOUT_S = 4 * 3600.0
_PASSABLE = 0o711  # another user's actions pass through, and list nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoBuilds:
    """Two builds: the workspace of the first, the folder of the second, what was the same."""

    first: Workspace  # whose out folder and cache are the first build's
    outcome: Outcome  # of the first
    second_out: Path
    executor: str
    not_varied: tuple[str, ...]  # fields of Conditions that this machine or executor cannot vary


def build_first(workspace: Workspace, folder: Path, executor: str) -> Workspace:
    """The workspace with a cache and an out folder of its own below `folder`."""
    store = fresh_store(workspace.store, folder / "cache")
    executors = Executors(
        wanted=executor,
        store=store,
        cancellation=workspace.cancellation,
        project=workspace.folder,
    )
    if workspace.lock is not None:
        executors.hold_to_lock()
    return replace(workspace, store=store, out=folder / "out", executors=executors)


def build_twice(
    workspace: Workspace,
    listener: Listener,
    n_jobs: int,
    *,
    folders: tuple[Path, Path],
    executor: str,
) -> TwoBuilds:
    """Build in the two empty folders; where the first build fails there is no second.

    Raises AnvilError where the second fails though the first did not.
    """
    first_folder, second_folder = folders
    first = build_first(workspace, first_folder, executor)
    first.executors.announce_to(listener)
    outcome = build(first, listener, n_jobs)
    builder = first.executors.builder()
    two = TwoBuilds(
        first=first,
        outcome=outcome,
        second_out=second_folder / "out",
        executor=builder.name,
        not_varied=tuple(
            field.name for field in fields(Conditions) if field.name not in builder.variable
        ),
    )
    if outcome.exit_code is not ExitCode.DONE:
        return two
    listener(Event(target="", step="building again from nothing, under other conditions"))
    try:
        _build_second(workspace, second_folder, two, n_jobs)
    finally:
        listener(Event(target="", step=""))
    return two


def _build_second(workspace: Workspace, folder: Path, two: TwoBuilds, n_jobs: int) -> None:
    folder.chmod(_PASSABLE)
    store = fresh_store(workspace.store, folder / "cache")
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    request = {
        "project": str(copy_project(workspace, folder / "copy")),
        "out": str(two.second_out),
        "targets": [one.target.name for one in workspace.project.targets],
        "allow_unsafe_model": workspace.options.allow_unsafe_model,
        "executor": two.executor,
        "n_jobs": n_jobs,
        "conditions": asdict(_OTHER),
    }
    completed = run_module(
        "anvil.second_build",
        folder=folder,
        environment={
            "PYTHONPATH": search_path(),
            CACHE_VARIABLE: str(store.root),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "USER": "somebody",
            "LOGNAME": "somebody",
            **variables(_OTHER, find_faketime()),
        },
        stdin=json.dumps(request).encode(),
        umask=_OTHER.umask,
        timeout_s=_TIMEOUT_S,
        cancellation=workspace.cancellation,
    )
    try:
        document = json.loads(completed.stdout)
        exit_code = ExitCode(document["exit_code"])
        diagnostics = [
            Diagnostic(**{**row, "severity": Severity(row["severity"])})
            for row in document["diagnostics"]
        ]
    except (ValueError, KeyError, TypeError):
        said = completed.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise _second_failed(
            f"it ended with {completed.returncode}: " + "\n".join(said), ExitCode.FAILED
        ) from None
    if exit_code is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if exit_code is not ExitCode.DONE:
        errors = [one for one in diagnostics if one.severity is Severity.ERROR]
        raise _second_failed("; ".join(one.message for one in errors), exit_code)


def search_path() -> str:
    """This very Anvil, and where the caller told Python to look, whichever folder it starts in."""
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([package_parent(), *(os.path.abspath(one) for one in told if one)])  # noqa: PTH100


def _second_failed(why: str, exit_code: ExitCode) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="release.second-build",
            message=f"the second build, under other conditions, failed where the first did not: "
            f"{why}",
            hint="something in the project depends on where, when or by whom it is built",
        ),
        exit_code=exit_code,
    )


def fresh_store(store: Store, root: Path) -> Store:
    """An empty cache, but for the root file systems, which are known by their content."""
    root.mkdir(mode=_PASSABLE, parents=True)
    for name in ("tools", "work"):
        (root / name).mkdir(mode=_PASSABLE)
    images = store.root / "images"
    if images.is_dir():
        (root / "images").symlink_to(images.resolve(), target_is_directory=True)
    return Store(root=root)


# The other process.


def build_varied(request: dict[str, Any], cancellation: Cancellation) -> Outcome:
    """What the second process does: build as the request of `build_twice` says."""
    loaded = load_workspace(
        project=Path(request["project"]),
        out=Path(request["out"]),
        names=request["targets"],
        cancellation=cancellation,
        options=Options(allow_unsafe_model=request["allow_unsafe_model"]),
        executor=request["executor"],
    )
    if loaded.failures:
        failures = loaded.failures
        raise AnvilError(*(d for one in failures for d in one.diagnostics))
    varied = _VariedExecutors(
        wanted=request["executor"],
        store=loaded.workspace.store,
        cancellation=cancellation,
        project=loaded.workspace.folder,
        conditions=Conditions(**request["conditions"]),
    )
    varied.hold_to_lock()
    locked = held_to_lock(loaded.workspace)
    return build(replace(locked, executors=varied), lambda _: None, request["n_jobs"])


class _VariedExecutors(Executors):
    """Executors whose every run is under `conditions`, as far as each can vary them."""

    def __init__(
        self,
        *,
        wanted: str,
        store: Store,
        cancellation: Cancellation,
        project: Path,
        conditions: Conditions,
    ) -> None:
        super().__init__(wanted=wanted, store=store, cancellation=cancellation, project=project)
        self._conditions = conditions

    def choose(self, action: Action) -> Executor:
        return _Varied(inner=super().choose(action), conditions=self._conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Varied:
    """An executor under conditions."""

    inner: Executor
    conditions: Conditions

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def notice(self) -> str:
        return self.inner.notice

    @property
    def variable(self) -> frozenset[str]:
        return self.inner.variable

    def check(self, action: Action) -> None:
        self.inner.check(action)

    def run(self, action: Action, *, conditions: Conditions | None = None) -> Tree:
        del conditions
        kept = {name: getattr(self.conditions, name) for name in self.inner.variable}
        return self.inner.run(action, conditions=Conditions(**kept))
