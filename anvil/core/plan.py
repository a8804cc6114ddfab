"""The plan: every decision for one project and one target, ready to render.

The digest of a plan covers its decisions only, never its predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.graph import Graph
    from anvil.core.target import Target
    from anvil.core.tensor import DType

SPECIALISED = "@specialised"  # behind the symbol of a kernel that is compiled for one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """An array that is known at build time and that one kernel call reads."""

    name: str  # unique within its call: weights, bias, multiplier, shift, table
    dtype: DType
    shape: tuple[int, ...]
    data: bytes  # row-major, little-endian


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCall:
    """One call of a kernel, as an operator's `lower` asks for it; no variant chosen yet.

    In C: `symbol(&parameters, inputs..., constants..., outputs...)`, with a trailing
    `scratch` where the chosen variant needs some. An input that is a constant tensor of
    the graph is passed like any other.
    """

    op: str  # the folder under kernels/: conv_2d
    dtype: str  # the dtype that the kernel is listed under: int8
    parameters: tuple[tuple[str, int | float], ...]  # the fields of its C struct, in order
    inputs: tuple[int, ...]  # tensor indices
    constants: tuple[Constant, ...]
    outputs: tuple[int, ...]  # tensor indices
    n_macs: int  # multiply-accumulates of one inference, padding not counted out


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One entry of a kernels.yaml."""

    op: str
    dtype: str
    name: str  # direct__scalar: the symbol without its anvil_<op>_<dtype>_
    symbol: str
    source: str  # path under kernels/
    headers: tuple[str, ...]  # paths under kernels/
    requires: tuple[str, ...]  # ISA features
    when: str  # predicate over the call's parameters; empty for always
    scratch_bytes: str  # expression over the same names; "0": there is no such argument
    digest: str = ""  # SHA-256 of its C code, comments left out, as cost tables record it
    traversal: str = ""  # a name of plan/overlap.py; empty: outputs lie apart from inputs
    alignment_bytes: int = 1  # of inputs and outputs, beyond their element's own
    layout: str = ""  # a module of plan/layouts/; empty: parameters and constants as lowered
    layout_options: tuple[tuple[str, int | str], ...] = ()
    parameters_type: str = ""  # its C struct, where that is not the dtype's own
    parts: tuple[str, ...] = ()  # further sources, paths under kernels/
    cost_terms: tuple[str, ...] = ()  # what its cost is a linear function of

    @property
    def struct(self) -> str:
        """The C type of its parameters."""
        return self.parameters_type or f"anvil_{self.op}_{self.dtype}_parameters"

    @property
    def takes_scratch(self) -> bool:
        """Whether its function has a scratch argument, however little a call may need of it."""
        return self.scratch_bytes.strip() != "0"

    @property
    def isa(self) -> str:
        """The instruction set that it is written for: scalar, dsp."""
        return self.symbol.rpartition("__")[2]

    @property
    def prototypes(self) -> tuple[str, ...]:
        """Those of its headers that declare kernels: the operator's, and its instruction set's."""
        own = (f"{self.op}/{self.op}.h", f"{self.op}/{self.op}__{self.isa}.h")
        return tuple(header for header in self.headers if header in own)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStrategy:
    """What the memory plan may do to make the arena smaller."""

    overlap: bool = True  # outputs may lie over inputs that their kernel is the last to read
    reorder: bool = True  # operators may run in another order than the model's
    bands: int = 1  # in how many bands the first operators run; rows between are computed twice


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """A kernel call with the variant that runs it."""

    op_index: int  # of the operator in the imported model
    op_kind: str  # CONV_2D
    lowered: KernelCall  # as the operator asked for it
    call: KernelCall  # as the variant takes it: parameters and constants in its layout
    variant: Variant
    scratch_offset: int | None  # bytes into the arena; None: the kernel takes no scratch
    scratch_bytes: int
    is_specialised: bool = False  # compiled once more for this call, with its parameters known

    @property
    def kernel(self) -> str:
        """The kernel's symbol, and what marks a copy that is the call's own."""
        return f"{self.variant.symbol}{SPECIALISED if self.is_specialised else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Where a computed tensor lies in the arena."""

    tensor: int
    offset: int  # bytes
    size_bytes: int
    first_use: int  # index of the call that first needs it; -1 for graph inputs
    last_use: int  # index of the last call; the number of calls for graph outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A choice that was not taken, and the predicate that failed."""

    op_index: int
    choice: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions for one (project, target)."""

    name: str
    target: Target
    candidate: str  # float32, int8, int16x8
    graph: Graph
    calls: tuple[PlannedCall, ...]  # in execution order
    allocations: tuple[Allocation, ...]  # by tensor index; aliases share an offset
    arena_bytes: int
    arena_lower_bound_bytes: int  # no layout of these calls in this order is smaller
    arena_proved_optimal: bool
    rejected: tuple[Rejection, ...]
    model_sha256: str

    @property
    def arena_gap(self) -> float:
        """How much larger the arena is than its lower bound, as a part of the arena."""
        return 1 - self.arena_lower_bound_bytes / self.arena_bytes

    def offset_of(self, tensor: int) -> int:
        """The arena offset of a computed tensor, in bytes."""
        return next(a.offset for a in self.allocations if a.tensor == tensor)

    @property
    def weight_bytes(self) -> int:
        """Bytes of every constant array that the calls read, each counted once."""
        return sum(self.weight_bytes_by_call)

    @property
    def weight_bytes_by_call(self) -> tuple[int, ...]:
        """The same by call; what several calls read counts where it is read first.

        So do constants that are equal, as those of one operator's bands.
        """
        seen: set[int] = set()
        known: set[Constant] = set()
        sizes = []
        for planned in self.calls:
            tensors = {i for i in planned.call.inputs if self.graph.tensors[i].is_constant} - seen
            seen |= tensors
            constants = set(planned.call.constants) - known
            known |= constants
            sizes.append(
                sum(len(constant.data) for constant in constants)
                + sum(self.graph.tensors[index].n_bytes for index in tensors)
            )
        return tuple(sizes)
