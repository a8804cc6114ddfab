"""anvil build: model and profile to artifacts, each step from the cache where it can be.

Three results are kept per target: the rendered project, the compiler's outputs, and the
finished folder. When all three are known, and the folder holds what they say, nothing is
imported, planned or compiled.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from anvil.build import cmake, platformio, web
from anvil.build.perform import healing, known, perform_files
from anvil.cache.results import read_result, write_result
from anvil.cache.store import VanishedError
from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.core.digest import key_of
from anvil.package.install import install, stale_files
from anvil.pipeline.events import (
    Event,
    Outcome,
    TargetOutcome,
    defect,
    ended_badly,
    failed,
)
from anvil.pipeline.finished import finished_tree, moved
from anvil.pipeline.lock_file import has_lock, other_candidate
from anvil.pipeline.output_folder import held
from anvil.pipeline.planning import MODEL_FILE, PLAN_FILE, PROJECT, Planning
from anvil.pipeline.sources import read_sources
from anvil.pipeline.watched import data_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anvil.core.action import Recipe
    from anvil.core.target import TargetRequest
    from anvil.pipeline.events import Listener
    from anvil.pipeline.sources import Sources
    from anvil.pipeline.workspace import Workspace

RECIPES: dict[str, Callable[..., Recipe]] = {
    "platformio": platformio.recipe,
    "cmake": cmake.recipe,
    "web": web.recipe,
}


class _TargetBuild:
    """The steps of one target; `listener` hears of those that take time."""

    def __init__(
        self,
        workspace: Workspace,
        sources: Sources,
        request: TargetRequest,
        planner: Planning,
        listener: Listener,
    ) -> None:
        self.workspace = workspace
        self.sources = sources
        self.request = request
        self.planner = planner
        self.listener = listener
        self.target = request.target
        self.folder = workspace.target_folder(request.target.name)
        self._planned: Tree | None = None  # by this command, also where it is not to be kept

    def tell(self, step: str) -> None:
        self.listener(Event(target=self.target.name, step=step))

    # Keys.

    def _render_key(self) -> str:
        requirements = self.request.requirements
        return key_of(
            {
                "step": "render",
                "sources": self.sources.digest,
                "model": self.workspace.model.sha256,
                "name": self.workspace.project.name,
                "order": self.workspace.order,
                "disabled_rewrites": sorted(self.workspace.options.disabled_rewrites),
                "candidates": self.request.candidates,
                # An unsafe model is not to pass because another command once allowed it.
                "allow_unsafe": self.workspace.options.allow_unsafe_model,
                "target": self.target.digest,
                "requirements": [
                    requirements.max_accuracy_drop,
                    requirements.max_latency_s,
                    requirements.max_ram_bytes,
                    requirements.max_flash_bytes,
                ],
            }
        )

    def _finish_key(self, rendered: Tree, recipe: Recipe) -> str:
        return key_of(
            {
                "step": "finish",
                "sources": self.sources.digest,
                "rendered": rendered.as_json(),
                "action": recipe.action.key,
                "artifacts": recipe.artifacts,
                "target": self.target.digest,
            }
        )

    def _recipe(self, rendered: Tree) -> Recipe:
        project = Tree(
            files=tuple(
                moved(node, node.path.removeprefix(PROJECT))
                for node in rendered.files
                if node.path.startswith(PROJECT)
            )
        )
        return RECIPES[self.target.build](self.target, self.workspace.project.name, project)

    # The warm path.

    def is_up_to_date(self) -> bool:
        """Whether every step is known and the folder holds just what they gave."""
        store = self.workspace.store
        rendered = read_result(store, self._render_key())
        if rendered is None or self._refusal(rendered) is not None:
            return False
        finished = read_result(store, self._finish_key(rendered, self._recipe(rendered)))
        return finished is not None and not stale_files(self.folder, finished)

    # The cold path.

    def run(self) -> None:
        """Make whatever is not known and install the result. Raises AnvilError."""
        healing(self._make_and_install)

    def _make_and_install(self) -> None:
        finished = self._finished()
        stale = stale_files(self.folder, finished)
        files = self.workspace.store.get_tree(Tree(files=stale))
        if files is None:
            raise VanishedError
        self.tell("writing")
        install(self.folder, finished, stale, files)

    def _finished(self) -> Tree:
        store = self.workspace.store
        rendered = self._rendered()
        recipe = self._recipe(rendered)
        key = self._finish_key(rendered, recipe)
        finished = known(key, store)
        if finished is not None:
            return finished
        if known(recipe.action.key, store) is None:
            self.tell("compiling")
        outputs, files = perform_files(recipe.action, store, self.workspace.executors.choose)
        finished = finished_tree(
            store,
            self.target,
            self.request.requirements,
            plan=self._plan_of(rendered),
            rendered=rendered,
            recipe=recipe,
            outputs=outputs,
            contents=files,
        )
        write_result(store, key, finished)
        return finished

    def _rendered(self) -> Tree:
        store = self.workspace.store
        key = self._render_key()
        rendered = known(key, store)
        if rendered is None:
            self.tell("planning")
            rendered = store.put_tree(self.planner(self.request), frozenset())
            self._keep_planned(key, rendered)
        refusal = self._refusal(rendered)
        if refusal is not None:
            raise refusal
        return rendered

    def _refusal(self, planned: Tree) -> AnvilError | None:
        """What is wrong where --locked asks for another candidate than was planned."""
        lock = self.workspace.lock
        locked = None if lock is None else lock.candidate(self.target.name)
        if locked is None:
            return None
        sha256 = next(node.digest.sha256 for node in planned.files if node.path == MODEL_FILE)
        if sha256 == locked[1]:
            return None
        return other_candidate(self.target.name, locked, sha256, str(self.workspace.folder))

    def _keep_planned(self, key: str, planned: Tree) -> None:
        """Raises AnvilError (exit 2) where the key tells of other data than was read."""
        self._planned = planned
        if data_key(self.workspace) != self.sources.data:
            raise AnvilError(
                Diagnostic(
                    code="data.changing",
                    message="the data, the metric or quantized/ changed while the command read it",
                    file=self.workspace.project.file,
                    hint="run the command again when nothing writes there",
                )
            )
        if self.planner.is_lasting(self.request):
            write_result(self.workspace.store, key, planned)

    def plan(self) -> dict[str, Any]:
        """The contents of plan.json. Raises AnvilError, or VanishedError to begin again."""
        store = self.workspace.store
        key = key_of(["plan only", self._render_key()])
        planned = self._planned or known(self._render_key(), store) or known(key, store)
        if planned is None:
            self.tell("planning")
            planned = store.put_tree(self.planner.plan_only(self.request), frozenset())
            self._keep_planned(key, planned)
        return self._plan_of(planned)

    def _plan_of(self, rendered: Tree) -> dict[str, Any]:
        node = next(node for node in rendered.files if node.path == PLAN_FILE)
        content = self.workspace.store.get(node.digest)
        if content is None:
            self._planned = None
            raise VanishedError
        document: dict[str, Any] = json.loads(content)
        return document


def build(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
    """Build every target of the workspace; one that fails never stops another."""
    workspace.executors.announce_to(listener)
    sources = read_sources(workspace)
    builds = _target_builds(workspace, sources, listener)
    cold = [one for one in builds if not one.is_up_to_date()]
    outcomes: dict[str, TargetOutcome] = {}
    for one in builds:
        if one not in cold:
            outcomes[one.target.name] = _succeeded(one, "up_to_date")
    if cold:
        outcomes |= _run_cold(workspace, cold, listener, n_jobs)
    return Outcome(
        targets=tuple(outcomes[one.target.name] for one in builds),
        # Said where something is built, so that a build with nothing to do has nothing to say.
        diagnostics=_drift(workspace) if cold else (),
    )


def _drift(workspace: Workspace) -> tuple[Diagnostic, ...]:
    if workspace.lock is not None or not has_lock(workspace.folder):
        return ()
    from anvil.pipeline.lock_held import drift

    return drift(workspace)


def plan_documents(workspace: Workspace, listener: Listener) -> Outcome:
    """The plan of every target, from the cache where it is known; nothing is written.

    A target's `details` hold the contents of plan.json as `plan`.
    """
    sources = read_sources(workspace)
    outcomes = []
    for one in _target_builds(workspace, sources, listener):
        try:
            document = healing(one.plan)
        except AnvilError as error:
            outcomes.append(ended_badly(one.target.name, error))
        except Exception as error:  # noqa: BLE001  a defect stops no other target
            outcomes.append(failed(one.target.name, (defect(error),), ExitCode.FAILED))
        else:
            outcomes.append(
                TargetOutcome(
                    target=one.target.name,
                    status="planned",
                    exit_code=ExitCode.DONE,
                    diagnostics=_warnings(document, workspace.folder),
                    details={"plan": document},
                )
            )
        finally:
            one.tell("")
    return Outcome(targets=tuple(outcomes))


def _target_builds(
    workspace: Workspace, sources: Sources, listener: Listener
) -> list[_TargetBuild]:
    planner = Planning(workspace, sources, listener)
    return [
        _TargetBuild(workspace, sources, request, planner, listener)
        for request in workspace.project.targets
    ]


def _run_cold(
    workspace: Workspace, cold: Sequence[_TargetBuild], listener: Listener, n_jobs: int
) -> dict[str, TargetOutcome]:
    from concurrent.futures import ThreadPoolExecutor

    with held(workspace.out, listener), ThreadPoolExecutor(max_workers=n_jobs) as pool:
        futures = {one.target.name: pool.submit(_attempt, one) for one in cold}
        try:
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            workspace.cancellation.cancel()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _attempt(one: _TargetBuild) -> TargetOutcome:
    try:
        one.run()
    except AnvilError as error:
        return ended_badly(one.target.name, error)
    except Exception as error:  # noqa: BLE001  a defect stops no other target
        return failed(one.target.name, (defect(error),), ExitCode.FAILED)
    finally:
        one.tell("")
    return _succeeded(one, "built")


def _succeeded(one: _TargetBuild, status: str) -> TargetOutcome:
    plan = healing(one.plan)
    return TargetOutcome(
        target=one.target.name,
        status=status,
        exit_code=ExitCode.DONE,
        diagnostics=_warnings(plan, one.workspace.folder),
        details={"folder": str(one.folder)},
    )


def _warnings(plan: dict[str, Any], folder: Path) -> tuple[Diagnostic, ...]:
    """What plan.json says that people should hear of whenever they build.

    folder: of anvil.yaml, where plan.json's paths begin.
    """
    found = []
    for row in plan["warnings"]:
        file = None if row["file"] is None else str(folder / row["file"])
        found.append(Diagnostic(**{**row, "severity": Severity(row["severity"]), "file": file}))
    return tuple(found)
