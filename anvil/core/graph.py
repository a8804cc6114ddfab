"""The graph: what every importer produces and the planner reads."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor

ABSENT = -1  # an optional input that is not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operator: tensor indices in and out, and the attributes of its kind.

    `attributes` is the frozen dataclass that `anvil/ops/<op>.py` defines for `kind`.
    """

    index: int  # position in the imported model, for messages
    kind: str  # TFLite's builtin name, such as CONV_2D
    inputs: tuple[int, ...]  # ABSENT where an optional input is not given
    outputs: tuple[int, ...]
    attributes: Hashable = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Tensors and operators in execution order: an operator's inputs stand before it.

    `inputs` and `outputs` are tensor indices in the model's order; one tensor may be
    listed twice among the outputs, and an input may be an output.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        n_tensors = len(self.tensors)
        for index in (*self.inputs, *self.outputs):
            if not 0 <= index < n_tensors:
                msg = f"the graph's inputs or outputs name tensor {index} of {n_tensors}"
                raise ValueError(msg)
        known = set(self.inputs) | {i for i, t in enumerate(self.tensors) if t.is_constant}
        for op in self.ops:
            for index in op.inputs:
                if index != ABSENT and not 0 <= index < n_tensors:
                    msg = f"op {op.index} {op.kind} reads tensor {index}, and there are {n_tensors}"
                    raise ValueError(msg)
                if index != ABSENT and index not in known:
                    msg = f"op {op.index} {op.kind} reads tensor {index} before any op wrote it"
                    raise ValueError(msg)
            for index in op.outputs:
                if not 0 <= index < n_tensors:
                    msg = (
                        f"op {op.index} {op.kind} writes tensor {index}, and there are {n_tensors}"
                    )
                    raise ValueError(msg)
                if index in known:
                    msg = (
                        f"op {op.index} {op.kind} writes tensor {index}, which has a value already"
                    )
                    raise ValueError(msg)
                known.add(index)
        for index in self.outputs:
            if index not in known:
                msg = f"output tensor {index} is written by no op"
                raise ValueError(msg)
