"""Weights in half precision: which of them a kernel reads as they are, and which are expanded.

A model with float16 weights holds each as a constant and a DEQUANTIZE to float32. A kernel that
knows halves reads the constant (its operator's lowering looks through the DEQUANTIZE). For any
other reader the floats become a constant here, at build time, so that none is ever computed on
the device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Graph, Op
    from anvil.core.tensor import Tensor
    from anvil.ops.definition import OperatorDefinition


def expand_halves(graph: Graph, definitions: Mapping[str, OperatorDefinition]) -> Graph:
    """The graph with float32 constants for what a kernel call would read from such a DEQUANTIZE.

    A DEQUANTIZE that nothing but looking through it uses stays, and runs no code. The same
    graph comes back where nothing is expanded.
    """
    sources = {op.outputs[0]: op.inputs[0] for op in graph.ops if _is_expansion(op, graph)}
    if not sources:
        return graph
    aliases = {op.outputs[0]: op.inputs[0] for op in graph.ops if definitions[op.kind].is_alias}

    def root(tensor: int) -> int:
        while tensor in aliases:
            tensor = aliases[tensor]
        return tensor

    read = {
        root(index)
        for op in graph.ops
        for call in definitions[op.kind].lower(op, graph)
        for index in call.inputs
    } | {root(index) for index in graph.outputs}
    expanded = {tensor: graph.tensors[sources[tensor]] for tensor in sources.keys() & read}
    if not expanded:
        return graph
    return replace(
        graph,
        tensors=tuple(
            replace(tensor, data=_floats(expanded[index])) if index in expanded else tensor
            for index, tensor in enumerate(graph.tensors)
        ),
        ops=tuple(op for op in graph.ops if op.outputs[0] not in expanded),
    )


def _is_expansion(op: Op, graph: Graph) -> bool:
    source = graph.tensors[op.inputs[0]]
    return op.kind == "DEQUANTIZE" and source.is_constant and source.dtype is DType.FLOAT16


def _floats(halves: Tensor) -> bytes:
    return array_of(halves).astype(np.float32).astype(numpy_dtype(DType.FLOAT32)).tobytes()
