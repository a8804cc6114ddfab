"""Rendered and built projects for the desk: small models through the real stages."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anvil import process
from anvil.build import cmake, platformio, web
from anvil.build.host import HostExecutor
from anvil.cache.store import Store
from anvil.config.profiles import load_targets
from anvil.core.graph import ABSENT
from anvil.core.plan import MemoryStrategy
from anvil.ops.registry import DEFINITIONS
from anvil.plan.choose import Material
from anvil.plan.document import plan_digest
from anvil.plan.kernel_registry import load_variants
from anvil.plan.make import make_plan
from anvil.render.cmake import render_cmake
from anvil.render.library import render_library
from anvil.render.platformio import render_platformio
from anvil.render.web import render_web
from anvil.resources import built_in, contents, read_folder
from anvil.verify.invocation import Invocation, Port
from tests.support import configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.action import Recipe, Tree
    from anvil.core.candidate import Candidate
    from anvil.core.decision import FailedCandidate
    from anvil.core.graph import Graph
    from anvil.core.plan import Plan
    from anvil.core.target import Target
    from anvil.core.tensor import Tensor

MODEL_SHA256 = "5a" * 32


@functools.cache
def target(name: str, toolchain: str | None = None) -> Target:
    """A built-in target, with its own toolchain or another built-in one."""
    listings = load_targets([configuration.built_in()], schemas=configuration.schemas()).listings
    found = next(listing for listing in listings if listing.name == name)
    assert found.target is not None, found.diagnostics
    if toolchain is None:
        return found.target
    text = f"version: 1\nname: n\nmodel: m\ntargets:\n  {name}: {{toolchain: {toolchain}}}\n"
    loaded = configuration.load(text)
    assert not loaded.failures, loaded.failures
    return loaded.project.targets[0].target


@functools.cache
def _data(folder: str) -> Mapping[str, bytes]:
    return contents(read_folder(built_in(folder)))


def plan_of(
    graph: Graph,
    target_name: str,
    name: str = "small",
    strategy: MemoryStrategy = MemoryStrategy(),  # noqa: B008  frozen
    *,
    toolchain: str | None = None,
    isas: Sequence[str] = (),
) -> Plan:
    """The plan that the real planner makes, of kernels for these instruction sets; empty: all."""
    return make_plan(
        graph,
        name=name,
        target=target(target_name, toolchain),
        variants=tuple(
            variant
            for variant in load_variants(_data("kernels"))
            if not isas or variant.isa in isas
        ),
        definitions=DEFINITIONS,
        model_sha256=MODEL_SHA256,
        strategy=strategy,
    )


def material_of(
    graph: Graph, candidates: Sequence[Candidate], failed: Sequence[FailedCandidate]
) -> Material:
    """What a choice is made from: every candidate with the same graph, and no cost tables."""
    return Material(
        name="small",
        candidates=tuple((one, graph) for one in candidates),
        failed=tuple(failed),
        variants=load_variants(_data("kernels")),
        definitions=DEFINITIONS,
        profiles={},
        disabled_rewrites=frozenset(),
        warnings=(),
        rewritten={},
    )


def render(plan: Plan) -> dict[str, bytes]:
    """The project that the real renderers make."""
    renderer = {"cmake": render_cmake, "platformio": render_platformio, "web": render_web}[
        plan.target.build
    ]
    return renderer(
        plan,
        plan_digest=plan_digest(plan),
        library=render_library_alone(plan),
        templates=_data("templates"),
    )


def render_library_alone(plan: Plan) -> dict[str, bytes]:
    """What every kind of project holds under `library/`, for any target."""
    return render_library(
        plan, plan_digest=plan_digest(plan), kernels=_data("kernels"), templates=_data("templates")
    )


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by relative path."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def recipe_of(plan: Plan, store: Store) -> Recipe:
    """How the rendered project is built; its files are in `store`."""
    recipe = {"cmake": cmake.recipe, "platformio": platformio.recipe, "web": web.recipe}[
        plan.target.build
    ]
    return recipe(plan.target, plan.name, store.put_tree(render(plan), frozenset()))


def build(plan: Plan, cache: Path, folder: Path) -> None:
    """Render, build as `anvil build` does, and leave the artifacts in `folder`."""
    store = Store(root=cache)
    steps = recipe_of(plan, store)
    tree = HostExecutor(store=store, cancellation=process.Cancellation()).run(steps.action)
    unpack(tree, steps, store, folder)


def unpack(tree: Tree, steps: Recipe, store: Store, folder: Path) -> None:
    """Leave the artifacts of an action's outputs in `folder`, as under build/<target>/."""
    outputs = store.get_tree(tree)
    assert outputs is not None
    write({artifact: outputs[output] for output, artifact in steps.artifacts}, folder)
    artifacts = dict(steps.artifacts)
    for node in tree.files:
        if node.executable:
            (folder / artifacts[node.path]).chmod(0o755)


def invocation(plan: Plan, folder: Path, batches: Sequence[tuple[bytes, ...]]) -> Invocation:
    """An invocation of what `build` left; replace fields as a test needs."""

    def ports(indices: Sequence[int]) -> tuple[Port, ...]:
        tensors = [plan.graph.tensors[index] for index in indices]
        return tuple(
            Port(name=t.name, shape=t.shape, dtype=t.dtype.value, n_bytes=t.n_bytes)
            for t in tensors
        )

    return Invocation(
        name=plan.name,
        target=plan.target.name,
        folder=folder,
        emulator=plan.target.emulator,
        inputs=ports(plan.graph.inputs),
        outputs=ports(plan.graph.outputs),
        batches=tuple(batches),
        count=False,
        timeout_s=120,
    )


def _array(tensor: Tensor, data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    dtype = np.dtype(tensor.dtype.value).newbyteorder("<")
    return np.frombuffer(data, dtype).reshape(tensor.shape)


def reference(graph: Graph, batch: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The outputs of one inference by the operators' NumPy references."""
    values = {i: _array(t, t.data) for i, t in enumerate(graph.tensors) if t.data is not None}
    values |= {
        index: _array(graph.tensors[index], data)
        for index, data in zip(graph.inputs, batch, strict=True)
    }
    for op in graph.ops:
        inputs = [None if index == ABSENT else values[index] for index in op.inputs]
        results = DEFINITIONS[op.kind].reference(op, graph, inputs)
        values |= dict(zip(op.outputs, results, strict=True))
    return tuple(values[index].tobytes() for index in graph.outputs)
