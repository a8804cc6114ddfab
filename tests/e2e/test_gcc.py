"""GCC in the root file system: the same bits wherever it runs, and right on the emulators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.build.docker import DockerExecutor
from anvil.build.sandbox import SandboxExecutor, check_sandbox
from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.core.executor import Conditions
from anvil.process import Cancellation
from anvil.verify import linked_library, qemu_system, qemu_user
from tests.support import projects
from tests.support.engine import require_engine
from tests.support.graphs import small_network
from tests.support.programs import MISSING, require_program
from tests.support.roots import require_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.action import Recipe, Tree
    from anvil.core.executor import Executor
    from anvil.core.plan import Plan

GRAPH = small_network()
RUNNERS = {"nrf52840": qemu_system.run, "rpi4": qemu_user.run}
PROGRAMS = {"nrf52840": "qemu-system-arm", "rpi4": "qemu-aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What the sandbox made."""

    plan: Plan
    steps: Recipe
    store: Store
    tree: Tree
    folder: Path  # as build/<target>


def executor_of(kind: str, store: Store) -> Executor:
    """The executor over the user's root; the test is left out where this machine has none."""
    root, cancellation = require_root(), Cancellation()
    try:
        if kind == "sandbox":
            check_sandbox()
            return SandboxExecutor(store=store, cancellation=cancellation, root=root)
        require_engine()
    except AnvilError as error:
        pytest.skip(f"{MISSING}{kind} ({error.diagnostics[0].message})")
    return DockerExecutor(store=store, cancellation=cancellation, root=root)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """`built("rpi4")`: built once for all tests of this file."""
    done: dict[str, Built] = {}

    def build(target: str) -> Built:
        if target not in done:
            store = Store(root=tmp_path_factory.mktemp("cache"))
            folder = tmp_path_factory.mktemp(target)
            plan = projects.plan_of(GRAPH, target, toolchain="gcc")
            steps = projects.recipe_of(plan, store)
            tree = executor_of("sandbox", store).run(steps.action)
            projects.unpack(tree, steps, store, folder)
            done[target] = Built(plan=plan, steps=steps, store=store, tree=tree, folder=folder)
        return done[target]

    return build


@pytest.mark.parametrize("target", RUNNERS)
def test_docker_gives_the_bytes_of_the_sandbox(target: str, built: Callable[[str], Built]) -> None:
    one = built(target)
    assert executor_of("docker", one.store).run(one.steps.action) == one.tree


@pytest.mark.parametrize("target", RUNNERS)
def test_another_folder_user_and_clock_give_the_same_bytes(
    target: str, built: Callable[[str], Built]
) -> None:
    one = built(target)
    conditions = Conditions(
        folder="/tmp/another folder",  # noqa: S108  inside the sandbox
        umask=0o077,
        locale="C",
        time_zone="Pacific/Auckland",
        user=12345,
        clock_offset_s=86400 * 400,
    )
    executor = executor_of("sandbox", one.store)
    assert executor.run(one.steps.action, conditions=conditions) == one.tree


@pytest.mark.parametrize("target", RUNNERS)
def test_outputs_are_the_references(target: str, built: Callable[[str], Built]) -> None:
    require_program(PROGRAMS[target])
    one = built(target)
    image = one.plan.graph.tensors[one.plan.graph.inputs[0]]
    rng = np.random.default_rng(4)
    batches = [(rng.normal(0, 20, image.shape).astype("<f4").tobytes(),) for _ in range(5)]
    result = RUNNERS[target](projects.invocation(one.plan, one.folder, batches))
    assert result.outputs == tuple(projects.reference(GRAPH, batch) for batch in batches)
    assert len(set(result.outputs)) > 1


def test_the_device_and_the_emulator_link_the_same_library(built: Callable[[str], Built]) -> None:
    one = built("nrf52840")
    assert linked_library.check(one.folder, one.plan.name, "nrf52840") > 0


@pytest.mark.parametrize("target", RUNNERS)
def test_no_artifact_names_a_folder(target: str, built: Callable[[str], Built]) -> None:
    one = built(target)
    contents = one.store.get_tree(one.tree)
    assert contents is not None
    for path, content in contents.items():
        assert b"/anvil/" not in content, path
