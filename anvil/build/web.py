"""How a rendered web project becomes artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.build.cmake import workflow
from anvil.core.action import Recipe

if TYPE_CHECKING:
    from anvil.core.action import Tree
    from anvil.core.target import Target


def recipe(target: Target, name: str, project: Tree) -> Recipe:
    """Build `project`: NAME.wasm, NAME.mjs, NAME.d.ts, package.json and index.html."""
    artifacts = tuple(
        (f"build/out/{file}", file)
        for file in (
            f"{name}.wasm",
            f"{name}.mjs",
            f"{name}.d.ts",
            "package.json",
            "index.html",
        )
    )
    return Recipe(
        action=workflow(
            target,
            project,
            outputs=tuple(output for output, _ in artifacts),
            # The page is put together by a script of the project.
            environment=(("PYTHON", "{python}"),),
        ),
        artifacts=artifacts,
    )
