"""What one file of this folder defines: an operator's rules and its lowering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anvil.core.graph import Graph, Op
from anvil.core.plan import KernelCall
from anvil.core.tolerance import EXACT, Tolerance

Array = npt.NDArray[np.generic]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDefinition:
    """An operator: one instance per file, named `DEFINITION`.

    check(op, graph)             what is not supported about this use, one sentence each;
                                 empty when it is. Called first; the others may rely on it.
    infer_shapes(op, graph)      the shapes of its outputs, from those of its inputs.
    reference(op, graph, inputs) its outputs in NumPy, bit-equal to TFLite's reference
                                 kernel for integer types; `inputs` in the op's order, None
                                 where an optional one is absent, constants included.
    lower(op, graph)             the kernel calls that compute it; () for an alias.

    `tolerance` is how far float outputs may lie from TFLite's reference kernel, given the same
    inputs. It says nothing about integer outputs, which are always exact.
    """

    kind: str  # TFLite's builtin name: CONV_2D
    folder: str | None  # under kernels/; None where no code runs (RESHAPE)
    is_alias: bool  # the output shares the first input's memory
    check: Callable[[Op, Graph], Sequence[str]]
    infer_shapes: Callable[[Op, Graph], tuple[Shape, ...]]
    reference: Callable[[Op, Graph, Sequence[Array | None]], tuple[Array, ...]]
    lower: Callable[[Op, Graph], tuple[KernelCall, ...]]
    tolerance: Tolerance = EXACT
    # Further folders under kernels/, where types other than int8 have another kernel.
    other_folders: tuple[str, ...] = ()
