"""anvil verify --layers: the first layer that differs from the reference.

A target is built a second time from the same model with every computed tensor among its
outputs, so that the memory plan keeps each one and the ordinary runner hands it over. That
build's own outputs must equal the untraced build's. Rewrites apply to both: what became of a
layer of the model is found in anvil/pipeline/traced.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.build.perform import healing, perform_files
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.ops.registry import DEFINITIONS
from anvil.ops.tolerances import tensor_tolerances
from anvil.package.install import install
from anvil.pipeline.artifacts import BuiltTarget, port_of
from anvil.pipeline.build import RECIPES
from anvil.pipeline.planning import PROJECT, traced_files
from anvil.pipeline.run import run_batches
from anvil.pipeline.sources import read_sources
from anvil.pipeline.traced import COMPARED, TracedLayer, traced_layers, with_layers
from anvil.verify.compare import compare
from anvil.verify.reference import (
    OUTPUTS,
    decode,
    encode_inputs,
    reference_action,
    worker_source,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.rewrite import Rewritten
    from anvil.core.target import Region, Target
    from anvil.core.tolerance import Tolerance
    from anvil.pipeline.sources import Sources
    from anvil.pipeline.workspace import Workspace
    from anvil.verify.compare import Outputs
    from anvil.verify.reference import ReferenceResult

# Every tensor at once may not fit the board; the emulator has this much (mps2's PSRAM).
_EMULATOR_RAM_BYTES = 4 * 1024**2
# Where it is, if not where the board's own RAM begins: behind mps3's data TCM lies nothing.
_EMULATOR_RAM_ORIGIN = {"mps3-an547": 0x31000000}
# Layers are large, and a defect shows in the first inferences.
N_INFERENCES = 4


class LayerCheck:
    """What the targets with one model share: its rewritten graphs and its reference."""

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
        self._graph = graph
        tolerances = tensor_tolerances(graph, DEFINITIONS)
        self._tolerances = {
            (op.index, place): tolerances[tensor]
            for op in graph.ops
            for place, tensor in enumerate(op.outputs)
        }
        self._rewritten: dict[frozenset[str], Rewritten] = {}
        self._batches = tuple(batches[:N_INFERENCES])
        self._reference = reference(workspace, model, self._batches, layers=True)

    def check(
        self, target: Target, untraced: Outputs, disabled_rewrites: Sequence[str]
    ) -> dict[str, Any]:
        """Per layer whether it is equal, as `--json` prints it.

        disabled_rewrites: those that the untraced build does without. Raises AnvilError where
        the traced build fails or its outputs differ from the untraced build's.
        """
        rewritten = self._rewrite(frozenset(disabled_rewrites))
        traced = with_layers(rewritten)
        # Not in the system's temporary folder, which may forbid running programs.
        with self._workspace.store.work_folder() as name:
            built = healing(lambda: self._build(target, traced.graph, Path(name)))
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
        layers = self._compare(traced_layers(self._graph, rewritten), found)
        different = [layer for layer in layers if layer["equal"] is False]
        return {"layers": layers, "first_different_layer": different[0] if different else None}

    def _rewrite(self, disabled: frozenset[str]) -> Rewritten:
        """What the build's graph was made into; targets with the same rewrites share it."""
        if disabled not in self._rewritten:
            from anvil.plan.rewrites.rewrite import rewrite

            self._rewritten[disabled] = rewrite(self._graph, DEFINITIONS, disabled=disabled)
        return self._rewritten[disabled]

    def _build(self, target: Target, graph: Graph, folder: Path) -> BuiltTarget:
        workspace, store = self._workspace, self._workspace.store
        roomy = target
        if target.ram is not None:
            roomy = replace(target, ram=_roomy(target.ram, target.emulator.machine))
        files = traced_files(workspace, self._sources, roomy, graph)
        project = store.put_tree(
            {path.removeprefix(PROJECT): content for path, content in files.items()}, frozenset()
        )
        recipe = RECIPES[target.build](roomy, workspace.project.name, project)
        outputs, contents = perform_files(recipe.action, store, workspace.executors.choose)
        nodes = {node.path: node for node in outputs.files}
        moved = [(replace(nodes[output], path=path), output) for output, path in recipe.artifacts]
        install(
            folder,
            replace(outputs, files=tuple(sorted(node for node, _ in moved))),
            [node for node, _ in moved],
            {node.path: contents[output] for node, output in moved},
        )
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

    def _compare(
        self, known: Mapping[tuple[int, int], TracedLayer], found: Outputs
    ) -> list[dict[str, Any]]:
        layers = []
        places: dict[int | None, int] = {}
        for column, tensor in enumerate(self._reference.tensors):
            place = places[tensor.op] = places.get(tensor.op, -1) + 1
            layer = known[tensor.op or 0, place]
            row: dict[str, Any] = {
                "index": tensor.op,
                "op": layer.kind,
                "tensor": layer.tensor.name,
                "status": layer.status,
                "equal": None,
                "removed_channels": layer.n_removed,
                "different_elements": None,
                "max_difference": None,
            }
            if layer.status == COMPARED:
                tolerance = self._tolerances[tensor.op or 0, place]
                row |= self._compare_layer(layer, column, found, tolerance)
            layers.append(row)
        return layers

    def _compare_layer(
        self, layer: TracedLayer, column: int, found: Outputs, tolerance: Tolerance
    ) -> dict[str, Any]:
        expected = [row[column] for row in self._reference.values]
        comparison = compare(
            expected=tuple((values,) for values in expected),
            found=tuple(
                (layer.whole(row[self._n_outputs :], truth),)
                for row, truth in zip(found, expected, strict=True)
            ),
            ports=(port_of(layer.tensor),),
            tolerances=(tolerance,),
        )
        return {
            "equal": comparison.is_equal,
            "different_elements": comparison.n_different_elements,
            "max_difference": comparison.as_json()["max_difference"],
        }


def _roomy(region: Region, machine: str | None) -> Region:
    """A region as large as the emulator's memory; the region itself where it is larger."""
    if region.size_bytes >= _EMULATOR_RAM_BYTES:
        return region
    origin = _EMULATOR_RAM_ORIGIN.get(machine or "", region.origin)
    return replace(region, origin=origin, size_bytes=_EMULATOR_RAM_BYTES)


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
        return perform_files(action, store, workspace.executors.choose)[1][OUTPUTS]

    return decode(healing(compute))
