"""The call as it is, where its inputs have one shape: one loop over all elements without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.plan.layouts.packing import Options


def pack(call: KernelCall, _options: Options) -> KernelCall:
    """`call` itself. Raises NotPackable where an input is broadcast."""
    loops = arrays_of(call)["loops"].reshape(int(dict(call.parameters)["n_loops"]), -1)
    if len(loops) != 1 or any(stride != 1 for stride in loops[0, 1:]):
        message = "its inputs have different shapes"
        raise NotPackable(message)
    return call


def unpack(packed: KernelCall, _options: Options) -> dict[str, npt.NDArray[Any]]:
    """The table of loops."""
    return arrays_of(packed)
