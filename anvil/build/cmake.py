"""How a rendered CMake project becomes artifacts: one workflow, configure and build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.build.compilers import environment_of
from anvil.build.warm_up import zig_links
from anvil.core.action import Action, Recipe

if TYPE_CHECKING:
    from anvil.core.action import Tree
    from anvil.core.target import Target

# The PyPI distributions that an action of this kind runs, besides the target's compiler.
_TOOLS = (("cmake", "4.4.4"), ("ninja", "1.13.2"))

# A first link builds Zig's runtime, which takes half a minute on a slow machine.
_TIMEOUT_S = 900


def workflow(
    target: Target,
    project: Tree,
    *,
    outputs: tuple[str, ...],
    environment: tuple[tuple[str, str], ...] = (),
) -> Action:
    """The action that runs the preset of the target's toolchain and leaves `outputs`."""
    if target.toolchain.kind == "zig":
        environment = (*environment, ("ZIG", "{zig}"))
    return Action(
        kind="build",
        argv=("{cmake}", "--workflow", "--preset", target.toolchain.kind),
        environment=tuple(
            sorted((*environment, ("NINJA", "{ninja}"), *environment_of(target.toolchain)))
        ),
        inputs=project,
        tools=tuple(sorted((*_TOOLS, *target.toolchain.tools))),
        outputs=tuple(sorted(outputs)),
        timeout_s=_TIMEOUT_S,
        warm_up=zig_links(target, (*target.toolchain.compile_flags, *target.toolchain.link_flags)),
    )


def recipe(target: Target, name: str, project: Tree) -> Recipe:
    """Build `project`: the program NAME, libNAME.a and NAME.h."""
    artifacts = (
        (f"build/out/{name}", name),
        (f"build/out/lib{name}.a", f"lib{name}.a"),
        (f"library/include/{name}.h", f"{name}.h"),
    )
    return Recipe(
        action=workflow(target, project, outputs=tuple(output for output, _ in artifacts)),
        artifacts=artifacts,
    )
