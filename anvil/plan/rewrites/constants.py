"""Constant folding: what depends on constants alone is computed at build time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.graph import ABSENT
from anvil.core.tensor import DType
from anvil.ops.arrays import array_of, numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.graph import Op
    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft

_INTEGERS = {DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL}
# Their NumPy reference rounds as IEEE 754 says, like every kernel; sums depend on their order,
# and exp and the like on a library.
_EXACT_IN_FLOAT = {"RESHAPE", "PAD", "CONCATENATION", "QUANTIZE", "DEQUANTIZE", "TRANSPOSE"}


def apply(draft: Draft, definitions: Mapping[str, OperatorDefinition]) -> int:
    """Replace the outputs of such operators by constants, outputs of the model excepted."""
    n_folded = 0
    for op in tuple(draft.ops):
        if op in draft.ops and _is_foldable(draft, op):
            arrays = [None if i == ABSENT else array_of(draft.tensors[i]) for i in op.inputs]
            results = definitions[op.kind].reference(op, draft.graph(), arrays)
            for index, values in zip(op.outputs, results, strict=True):
                tensor = draft.tensors[index]
                raw = np.ascontiguousarray(values, dtype=numpy_dtype(tensor.dtype)).tobytes()
                draft.tensors[index] = replace(tensor, data=raw)
            draft.ops.remove(op)
            n_folded += 1
    return n_folded


def _is_foldable(draft: Draft, op: Op) -> bool:
    inputs = [draft.tensors[index] for index in op.inputs if index != ABSENT]
    outputs = [draft.tensors[index] for index in op.outputs]
    if not inputs or not all(tensor.is_constant for tensor in inputs):
        return False
    if any(draft.is_output(index) for index in op.outputs):
        return False
    # Weights stored as halves are widened where they are used; here they would double.
    if any(tensor.dtype is DType.FLOAT16 for tensor in inputs):
        return False
    return op.kind in _EXACT_IN_FLOAT or all(t.dtype in _INTEGERS for t in (*inputs, *outputs))
