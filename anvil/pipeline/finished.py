"""A target's finished folder, out of what was rendered and what was compiled.

`anvil build` and the rebuild of a release share it, since both have to give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.package.install import MANIFEST
from anvil.package.manifest import manifest_document
from anvil.pipeline.planning import pretty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.cache.store import Store
    from anvil.core.action import FileNode, Recipe
    from anvil.core.target import Requirements, Target

MEASURED = "measured.json"


def finished_tree(
    store: Store,
    target: Target,
    requirements: Requirements,
    *,
    plan: Mapping[str, Any],
    rendered: Tree,
    recipe: Recipe,
    outputs: Tree,
    contents: Mapping[str, bytes],
) -> Tree:
    """All files of build/<target>/, measured.json and manifest.json among them.

    plan: the contents of plan.json; rendered: what planning gave; outputs, contents: of the
    recipe's action. Raises AnvilError (exit 3) where the built program is over a limit.
    """
    from anvil.package.measure import measured_document, oversize

    measured = measured_document(
        target, dict(plan), contents[_program_output(recipe, plan["name"])]
    )
    too_large = oversize(target, requirements, measured)
    if too_large:
        raise AnvilError(
            *(misfit.diagnostic() for misfit in too_large), exit_code=ExitCode.DOES_NOT_FIT
        )
    artifacts = dict(recipe.artifacts)
    listed = Tree(
        files=tuple(
            sorted(
                [
                    *rendered.files,
                    *store.put_tree({MEASURED: pretty(measured)}, frozenset()).files,
                    *(moved(node, artifacts[node.path]) for node in outputs.files),
                ]
            )
        )
    )
    manifest = manifest_document(
        target,
        name=plan["name"],
        plan_digest=plan["digest"],
        action_key=recipe.action.key,
        files=listed,
    )
    manifest_node = store.put_tree({MANIFEST: pretty(manifest)}, frozenset()).files[0]
    return Tree(files=tuple(sorted([*listed.files, manifest_node])))


def moved(node: FileNode, path: str) -> FileNode:
    """The node under another path."""
    return type(node)(path=path, digest=node.digest, executable=node.executable)


def _program_output(recipe: Recipe, name: str) -> str:
    """The output that runs on the device: the ELF, the Linux program or the .wasm."""
    programs = (f"{name}.elf", name, f"{name}.wasm")
    return next(output for output, artifact in recipe.artifacts if artifact in programs)
