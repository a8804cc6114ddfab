"""A graph in the course of being rewritten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.core.graph import ABSENT, Graph, Op
from anvil.core.rewrite import Origin

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor


class Draft:
    """Tensors are only added and changed in place, so that an index keeps its meaning.

    What nothing reads any more is left out by `finish`.
    """

    def __init__(self, graph: Graph) -> None:
        self.tensors: list[Tensor] = list(graph.tensors)
        self.ops: list[Op] = list(graph.ops)
        self.origins: list[Origin | None] = [Origin(tensor=i) for i in range(len(graph.tensors))]
        self._inputs = graph.inputs
        self._outputs = graph.outputs

    def graph(self) -> Graph:
        """The graph as it is now."""
        return Graph(
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            inputs=self._inputs,
            outputs=self._outputs,
        )

    def is_port(self, tensor: int) -> bool:
        """Whether the tensor is an input or output of the model, whose form is fixed."""
        return tensor in self._inputs or tensor in self._outputs

    def is_output(self, tensor: int) -> bool:
        """Whether the tensor is an output of the model."""
        return tensor in self._outputs

    def readers(self, tensor: int) -> list[Op]:
        """The operators that read a tensor, each once."""
        return [op for op in self.ops if tensor in op.inputs]

    def producer(self, tensor: int) -> Op | None:
        """The operator that writes a tensor; None for an input or a constant."""
        return next((op for op in self.ops if tensor in op.outputs), None)

    def add(self, tensor: Tensor) -> int:
        """A new tensor's index. It stands for no tensor of the model."""
        self.tensors.append(tensor)
        self.origins.append(None)
        return len(self.tensors) - 1

    def put(self, old: Op, new: Op) -> None:
        """Put one operator in another's place."""
        self.ops[self.ops.index(old)] = new

    def reroute(self, old: int, new: int) -> None:
        """Let everything that reads tensor `old` read `new`."""
        self.ops = [
            replace(op, inputs=tuple(new if i == old else i for i in op.inputs))
            if old in op.inputs
            else op
            for op in self.ops
        ]

    def release(self, tensor: int) -> None:
        """Remove the operator that writes a tensor if no one needs its outputs any more."""
        op = self.producer(tensor)
        if op is None or any(self.is_output(out) or self.readers(out) for out in op.outputs):
            return
        self.ops.remove(op)
        for index in op.inputs:
            if index != ABSENT:
                self.release(index)

    def bypass(self, op: Op) -> bool:
        """Remove an operator whose only output equals its first input, ports kept as they are.

        False where that is not possible: between an input and an output of the model.
        """
        source, result = op.inputs[0], op.outputs[0]
        if not self.is_output(result):
            self.ops.remove(op)
            self.reroute(result, source)
            return True
        producer = self.producer(source)
        if producer is None or self.is_port(source):
            return False
        self.ops.remove(op)
        self.put(
            producer,
            replace(
                producer, outputs=tuple(result if o == source else o for o in producer.outputs)
            ),
        )
        self.reroute(source, result)
        return True

    def finish(self) -> tuple[Graph, tuple[Origin | None, ...]]:
        """The graph without what nothing names, and the origin of each of its tensors."""
        named = {*self._inputs, *self._outputs}
        for op in self.ops:
            named.update(op.inputs, op.outputs)
        kept = sorted(named - {ABSENT})
        number = {old: new for new, old in enumerate(kept)} | {ABSENT: ABSENT}
        graph = Graph(
            tensors=tuple(self.tensors[index] for index in kept),
            ops=tuple(
                replace(
                    op,
                    inputs=tuple(number[index] for index in op.inputs),
                    outputs=tuple(number[index] for index in op.outputs),
                )
                for op in self.ops
            ),
            inputs=tuple(number[index] for index in self._inputs),
            outputs=tuple(number[index] for index in self._outputs),
        )
        return graph, tuple(self.origins[index] for index in kept)
