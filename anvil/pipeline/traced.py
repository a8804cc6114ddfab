"""What became of each layer of a model once it was rewritten, and its value on a target.

A layer is one output of one operator of the imported model. It is compared where a tensor of
the rewritten graph stands for it; that tensor may lack channels. A layer without such a tensor
was merged, when other operators do its work, or removed, when no output depends on it or its
value is the same for every input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.graph import Graph
    from anvil.core.rewrite import Origin, Rewritten
    from anvil.core.tensor import Tensor

COMPARED, MERGED, REMOVED = "compared", "merged", "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLayer:
    """One layer of the imported model."""

    kind: str  # of its operator: CONV_2D
    tensor: Tensor  # in the imported model
    status: str  # compared, merged or removed
    place: int | None = None  # among the traced outputs; None where a constant stands for it
    constant: bytes | None = None  # the value of that constant
    origin: Origin | None = None  # where the layer is compared

    @property
    def n_removed(self) -> int:
        """Channels that the rewritten graph does not compute."""
        if self.origin is None or self.origin.channels is None:
            return 0
        return self.tensor.shape[-1] - len(self.origin.channels)

    def whole(self, traced: Sequence[bytes], expected: bytes) -> bytes:
        """The layer as the target knows it, in the imported tensor's form.

        traced: the traced outputs. A removed channel has the constant that the rewrites put in
        its place; one that nothing reads has no value, and is taken from `expected`.
        """
        found = self.constant if self.place is None else traced[self.place]
        if found is None or self.origin is None:
            msg = f"layer {self.tensor.name!r} is {self.status}, and has no value"
            raise ValueError(msg)
        if self.origin.channels is None:
            return found
        import numpy as np

        from anvil.ops.arrays import numpy_dtype

        dtype = numpy_dtype(self.tensor.dtype)
        channels = list(self.origin.channels)
        whole = np.frombuffer(expected, dtype).reshape(self.tensor.shape).copy()
        whole[..., channels] = np.frombuffer(found, dtype).reshape(*whole.shape[:-1], len(channels))
        for channel, value in self.origin.constants:
            whole[..., channel] = value
        return whole.tobytes()


def with_layers(rewritten: Rewritten) -> Rewritten:
    """The same graph with every computed tensor among its outputs, after its own."""
    graph = rewritten.graph
    return replace(rewritten, graph=replace(graph, outputs=(*graph.outputs, *_computed(graph))))


def _computed(graph: Graph) -> tuple[int, ...]:
    """What operators compute at run time; the expansion of half-precision weights is none."""
    return tuple(
        index
        for op in graph.ops
        if not all(graph.tensors[given].is_constant for given in op.inputs if given != ABSENT)
        for index in op.outputs
    )


def traced_layers(graph: Graph, rewritten: Rewritten) -> dict[tuple[int, int], TracedLayer]:
    """Every layer of the imported `graph`, by operator index and place among its outputs.

    The importer renumbers tensors, so that this is what a layer is known by here and in the
    reference.
    """
    places = {tensor: place for place, tensor in enumerate(_computed(rewritten.graph))}
    standing = {
        origin.tensor: (index, origin)
        for index, origin in enumerate(rewritten.origins)
        if origin is not None
    }
    needed = _needed(graph)
    layers = {}
    for op in graph.ops:
        for number, index in enumerate(op.outputs):
            tensor = graph.tensors[index]
            known = standing.get(index)
            if known is not None and not (
                known[0] in places or rewritten.graph.tensors[known[0]].is_constant
            ):
                known = None
            if known is None:
                status = MERGED if index in needed else REMOVED
                layer = TracedLayer(kind=op.kind, tensor=tensor, status=status)
            else:
                at, origin = known
                layer = TracedLayer(
                    kind=op.kind,
                    tensor=tensor,
                    status=COMPARED,
                    place=places.get(at),
                    constant=rewritten.graph.tensors[at].data,
                    origin=origin,
                )
            layers[op.index, number] = layer
    return layers


def _needed(graph: Graph) -> frozenset[int]:
    """The tensors that depend on an input of the model and that an output depends on."""
    varying = set(graph.inputs)
    for op in graph.ops:
        if varying.intersection(op.inputs):
            varying.update(op.outputs)
    wanted = set(graph.outputs)
    for op in reversed(graph.ops):
        if wanted.intersection(op.outputs):
            wanted.update(index for index in op.inputs if index != ABSENT)
    return frozenset(varying & wanted)
