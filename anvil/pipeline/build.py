"""anvil build: model and profile to artifacts, each step from the cache where it can be.

Three results are kept per target: the rendered project, the compiler's outputs, and the
finished folder. When all three are known, and the folder holds what they say, nothing is
imported, planned or compiled.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.build import cmake, platformio, web
from anvil.build.perform import healing, known, perform_files
from anvil.build.tools import installed_version
from anvil.cache.results import read_result, write_result
from anvil.cache.store import VanishedError
from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import key_of
from anvil.package.install import MANIFEST, install, stale_files
from anvil.package.manifest import manifest_document
from anvil.pipeline.events import Event, Outcome, TargetOutcome, defect, failed
from anvil.pipeline.lock import locked
from anvil.plan.fit import unchecked
from anvil.resources import built_in, code_digest, contents, digest_of_resources, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.core.action import FileNode, Recipe
    from anvil.core.graph import Graph
    from anvil.core.plan import Plan
    from anvil.core.target import TargetRequest
    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace
    from anvil.resources import Resource

RECIPES: dict[str, Callable[..., Recipe]] = {
    "platformio": platformio.recipe,
    "cmake": cmake.recipe,
    "web": web.recipe,
}
_LIBRARIES = ("jinja2", "numpy", "pyyaml", "simpleeval")
_PLAN = "plan.json"
_MEASURED = "measured.json"
_PROJECT = "project/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Anvil's own inputs: kernels, templates, and the digest of those with its code."""

    kernels: dict[str, Resource]
    templates: dict[str, Resource]
    digest: str


def read_sources(workspace: Workspace) -> Sources:
    """Read kernels/ (the project's own first) and templates/.

    The digest covers what runs the pure stages, too: Anvil's code, Python, and the libraries
    that could change what they give.
    """
    kernels = read_folder(workspace.folder / "kernels", built_in("kernels"))
    templates = read_folder(built_in("templates"))
    return Sources(
        kernels=kernels,
        templates=templates,
        digest=key_of(
            [
                code_digest(),
                digest_of_resources(kernels),
                digest_of_resources(templates),
                sys.version,
                [installed_version(library) for library in _LIBRARIES],
            ]
        ),
    )


class _TargetBuild:
    """The steps of one target; `listener` hears of those that take time."""

    def __init__(
        self,
        workspace: Workspace,
        sources: Sources,
        request: TargetRequest,
        planner: _Planner,
        listener: Listener,
    ) -> None:
        self.workspace = workspace
        self.sources = sources
        self.request = request
        self.planner = planner
        self.listener = listener
        self.target = request.target
        self.folder = workspace.target_folder(request.target.name)

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
                "optimize": self.workspace.project.optimize,
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
                _moved(node, node.path.removeprefix(_PROJECT))
                for node in rendered.files
                if node.path.startswith(_PROJECT)
            )
        )
        return RECIPES[self.target.build](self.target, self.workspace.project.name, project)

    # The warm path.

    def is_up_to_date(self) -> bool:
        """Whether every step is known and the folder holds just what they gave."""
        store = self.workspace.store
        rendered = read_result(store, self._render_key())
        if rendered is None:
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
        outputs, files = perform_files(recipe.action, store, self.workspace.cancellation)
        finished = self._finish(rendered, recipe, outputs, files)
        write_result(store, key, finished)
        return finished

    def _rendered(self) -> Tree:
        store = self.workspace.store
        key = self._render_key()
        rendered = known(key, store)
        if rendered is None:
            self.tell("planning")
            files = self.planner(self.request)
            rendered = store.put_tree(files, frozenset())
            write_result(store, key, rendered)
        return rendered

    def _finish(
        self, rendered: Tree, recipe: Recipe, outputs: Tree, files: dict[str, bytes]
    ) -> Tree:
        from anvil.package.measure import (
            measured_document,
            oversize,
        )

        store = self.workspace.store
        plan_file = next(node for node in rendered.files if node.path == _PLAN)
        plan_content = store.get(plan_file.digest)
        if plan_content is None:
            raise VanishedError
        plan = json.loads(plan_content)
        artifacts = dict(recipe.artifacts)
        nodes = {node.path: node for node in outputs.files}
        measured = measured_document(
            self.target, plan, files[_program_output(recipe, self.workspace.project.name)]
        )
        too_large = oversize(self.target, self.request.requirements, measured)
        if too_large:
            raise AnvilError(
                *(misfit.diagnostic() for misfit in too_large), exit_code=ExitCode.DOES_NOT_FIT
            )
        measured_node = store.put_tree({_MEASURED: _pretty(measured)}, frozenset()).files[0]
        listed = Tree(
            files=tuple(
                sorted(
                    [
                        *rendered.files,
                        measured_node,
                        *(_moved(nodes[output], to) for output, to in artifacts.items()),
                    ]
                )
            )
        )
        manifest = manifest_document(
            self.target,
            name=self.workspace.project.name,
            plan_digest=plan["digest"],
            action_key=recipe.action.key,
            files=listed,
        )
        manifest_node = store.put_tree({MANIFEST: _pretty(manifest)}, frozenset()).files[0]
        return Tree(files=tuple(sorted([*listed.files, manifest_node])))


def plan_and_render(
    workspace: Workspace, sources: Sources, request: TargetRequest, graph: Graph
) -> dict[str, bytes]:
    """Stages 4 and 5: plan.json and every file of project/ by path."""
    # Only a miss pays for NumPy and Jinja.
    from anvil.ops.registry import DEFINITIONS
    from anvil.plan.document import plan_digest, plan_document
    from anvil.plan.fit import misfits
    from anvil.plan.kernel_registry import load_variants
    from anvil.plan.make import make_plan

    kernels = contents(sources.kernels)
    plan = make_plan(
        graph,
        name=workspace.project.name,
        target=request.target,
        variants=load_variants(kernels),
        definitions=DEFINITIONS,
        model_sha256=workspace.model.sha256,
    )
    wrong = misfits(plan, request.requirements)
    if wrong:
        raise AnvilError(
            *(misfit.diagnostic() for misfit in wrong), exit_code=ExitCode.DOES_NOT_FIT
        )
    project = render_project(
        plan, plan_digest(plan), kernels=kernels, templates=contents(sources.templates)
    )
    files = {f"{_PROJECT}{path}": content for path, content in project.items()}
    return files | {_PLAN: _pretty(plan_document(plan, request.requirements))}


def render_project(
    plan: Plan, digest: str, *, kernels: dict[str, bytes], templates: dict[str, bytes]
) -> dict[str, bytes]:
    """Stage 5 for the target's kind of project."""
    from anvil.render.cmake import render_cmake
    from anvil.render.library import render_library
    from anvil.render.platformio import render_platformio
    from anvil.render.web import render_web

    renderers = {"platformio": render_platformio, "cmake": render_cmake, "web": render_web}
    library = render_library(plan, plan_digest=digest, kernels=kernels, templates=templates)
    return renderers[plan.target.build](
        plan, plan_digest=digest, library=library, templates=templates
    )


def import_model(workspace: Workspace) -> Graph:
    """Stage 2."""
    from anvil.importers.tflite import import_tflite
    from anvil.ops.registry import DEFINITIONS

    return import_tflite(workspace.model.content, workspace.model.file, DEFINITIONS)


class _Planner:
    """Stages 2, 4 and 5 for one target after the other; the model is imported once.

    Python gains nothing from planning in several threads, and in 3.11 ast.parse, which the
    predicates of kernels need, may fail where a process's first calls come from two.
    """

    def __init__(self, workspace: Workspace, sources: Sources) -> None:
        import threading

        self._workspace = workspace
        self._sources = sources
        self._lock = threading.Lock()
        self._graph: Graph | AnvilError | None = None

    def __call__(self, request: TargetRequest) -> dict[str, bytes]:
        """What `plan_and_render` gives. Raises AnvilError."""
        with self._lock:
            if self._graph is None:
                try:
                    self._graph = import_model(self._workspace)
                except AnvilError as error:
                    self._graph = error
            if isinstance(self._graph, AnvilError):
                raise self._graph
            return plan_and_render(self._workspace, self._sources, request, self._graph)


def build(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
    """Build every target of the workspace; one that fails never stops another."""
    sources = read_sources(workspace)
    planner = _Planner(workspace, sources)
    builds = [
        _TargetBuild(workspace, sources, request, planner, listener)
        for request in workspace.project.targets
    ]
    cold = [one for one in builds if not one.is_up_to_date()]
    outcomes: dict[str, TargetOutcome] = {}
    for one in builds:
        if one not in cold:
            outcomes[one.target.name] = _succeeded(one, "up_to_date")
    if cold:
        outcomes |= _run_cold(workspace, cold, listener, n_jobs)
    return Outcome(targets=tuple(outcomes[one.target.name] for one in builds))


def _run_cold(
    workspace: Workspace, cold: Sequence[_TargetBuild], listener: Listener, n_jobs: int
) -> dict[str, TargetOutcome]:
    from concurrent.futures import ThreadPoolExecutor

    listener(
        Event(target="", step="executor host: not hermetic, tools pinned by version", is_note=True)
    )
    with locked(workspace.out, listener), ThreadPoolExecutor(max_workers=n_jobs) as pool:
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
        return failed(one.target.name, error.diagnostics, error.exit_code)
    except Exception as error:  # noqa: BLE001  a defect stops no other target
        return failed(one.target.name, (defect(error),), ExitCode.FAILED)
    finally:
        one.tell("")
    return _succeeded(one, "built")


def _succeeded(one: _TargetBuild, status: str) -> TargetOutcome:
    return TargetOutcome(
        target=one.target.name,
        status=status,
        exit_code=ExitCode.DONE,
        diagnostics=unchecked(one.request.requirements, one.workspace.project.optimize),
        details={"folder": str(one.folder)},
    )


def _moved(node: FileNode, path: str) -> FileNode:
    return type(node)(path=path, digest=node.digest, executable=node.executable)


def _program_output(recipe: Recipe, name: str) -> str:
    """The output that runs on the device: the ELF, the Linux program or the .wasm."""
    programs = (f"{name}.elf", name, f"{name}.wasm")
    return next(output for output, artifact in recipe.artifacts if artifact in programs)


def _pretty(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
