"""anvil verify --layers: the first layer that differs from the reference.

A target is built a second time from the same model with every computed tensor among its
outputs, so that the memory plan keeps each one and the ordinary runner hands it over. That
build's own outputs must equal the untraced build's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.build.perform import healing, perform_files
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.package.install import install
from anvil.pipeline.artifacts import BuiltTarget, port_of
from anvil.pipeline.build import RECIPES, read_sources
from anvil.pipeline.planning import PROJECT, traced_files
from anvil.pipeline.run import run_batches
from anvil.verify.compare import compare
from anvil.verify.reference import (
    OUTPUTS,
    decode,
    encode_inputs,
    reference_action,
    worker_source,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph
    from anvil.core.target import Region, Target
    from anvil.pipeline.build import Sources
    from anvil.pipeline.workspace import Workspace
    from anvil.verify.compare import Outputs
    from anvil.verify.reference import ReferenceResult

# Every tensor at once may not fit the board; the emulator has this much (mps2's PSRAM).
_EMULATOR_RAM_BYTES = 4 * 1024**2
# Layers are large, and a defect shows in the first inferences.
N_INFERENCES = 4


class LayerCheck:
    """What the targets with one model share: the traced graph and its reference."""

    def __init__(
        self,
        workspace: Workspace,
        model: bytes,
        graph: Graph,
        batches: Sequence[tuple[bytes, ...]],
    ) -> None:
        self._workspace = workspace
        self._sources: Sources = read_sources(workspace)
        self._n_outputs = len(graph.outputs)
        # The importer renumbers tensors, so that an op and its place among the op's outputs
        # is what a layer is known by here and in the reference.
        self._layers = {
            (op.index, place): tensor for op in graph.ops for place, tensor in enumerate(op.outputs)
        }
        self._graph = replace(graph, outputs=(*graph.outputs, *self._layers.values()))
        self._batches = tuple(batches[:N_INFERENCES])
        self._reference = reference(workspace, model, self._batches, layers=True)

    def check(self, target: Target, untraced: Outputs) -> dict[str, Any]:
        """Per layer whether it is equal, as `--json` prints it.

        Raises AnvilError where the traced build fails or its outputs differ from the
        untraced build's.
        """
        # Not in the system's temporary folder, which may forbid running programs.
        with self._workspace.store.work_folder() as name:
            built = healing(lambda: self._build(target, Path(name)))
            found = run_batches(
                built, target, self._batches, cancellation=self._workspace.cancellation
            ).outputs
        own = tuple(row[: self._n_outputs] for row in found)
        if own != tuple(untraced[: len(own)]):
            raise AnvilError(
                Diagnostic(
                    code="verify.traced-differs",
                    message=f"{target.name}: the traced build's outputs differ from the build's",
                    hint="this is a defect of Anvil: please report it with the model",
                ),
                exit_code=ExitCode.FAILED,
            )
        layers = self._compare(found)
        different = [layer for layer in layers if not layer["equal"]]
        return {"layers": layers, "first_different_layer": different[0] if different else None}

    def _build(self, target: Target, folder: Path) -> BuiltTarget:
        workspace, store = self._workspace, self._workspace.store
        roomy = target
        if target.ram is not None:
            roomy = replace(target, ram=_roomy(target.ram))
        files = traced_files(workspace, self._sources, roomy, self._graph)
        project = store.put_tree(
            {path.removeprefix(PROJECT): content for path, content in files.items()}, frozenset()
        )
        recipe = RECIPES[target.build](roomy, workspace.project.name, project)
        outputs, contents = perform_files(recipe.action, store, workspace.cancellation)
        nodes = {node.path: node for node in outputs.files}
        moved = [(replace(nodes[output], path=path), output) for output, path in recipe.artifacts]
        install(
            folder,
            replace(outputs, files=tuple(sorted(node for node, _ in moved))),
            [node for node, _ in moved],
            {node.path: contents[output] for node, output in moved},
        )
        graph = self._graph
        return BuiltTarget(
            folder=folder,
            name=workspace.project.name,
            target=target.name,
            inputs=tuple(port_of(graph.tensors[index]) for index in graph.inputs),
            outputs=tuple(port_of(graph.tensors[index]) for index in graph.outputs),
            plan={},
            measured={},
            manifest={},
            model=b"",
        )

    def _compare(self, found: Outputs) -> list[dict[str, Any]]:
        numbers = {layer: self._n_outputs + n for n, layer in enumerate(self._layers)}
        kinds = {op.index: op.kind for op in self._graph.ops}
        layers = []
        places: dict[int | None, int] = {}
        for column, tensor in enumerate(self._reference.tensors):
            place = places[tensor.op] = places.get(tensor.op, -1) + 1
            layer = (tensor.op or 0, place)
            number = numbers[layer]
            own = self._graph.tensors[self._layers[layer]]
            comparison = compare(
                expected=tuple((row[column],) for row in self._reference.values),
                found=tuple((row[number],) for row in found),
                ports=(port_of(own),),
            )
            layers.append(
                {
                    "index": tensor.op,
                    "op": kinds[layer[0]],
                    "tensor": own.name,
                    "equal": comparison.is_equal,
                    "different_elements": comparison.n_different_elements,
                    "max_difference": comparison.as_json()["max_difference"],
                }
            )
        return layers


def _roomy(region: Region) -> Region:
    """The region, as large as the emulator's memory."""
    return replace(region, size_bytes=max(region.size_bytes, _EMULATOR_RAM_BYTES))


def reference(
    workspace: Workspace, model: bytes, batches: Sequence[tuple[bytes, ...]], *, layers: bool
) -> ReferenceResult:
    """What the reference kernels give for a .tflite file, from the cache where it is known."""
    store = workspace.store

    def compute() -> bytes:
        action = reference_action(
            model=store.put(model),
            inputs=store.put(encode_inputs(batches)),
            worker=store.put(worker_source()),
            layers=layers,
        )
        return perform_files(action, store, workspace.cancellation)[1][OUTPUTS]

    return decode(healing(compute))
