"""A call's constants as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import numpy_dtype

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.plan import KernelCall


def arrays_of(call: KernelCall) -> dict[str, npt.NDArray[Any]]:
    """The constants by name, in their shapes; read-only."""
    return {
        constant.name: np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(
            constant.shape
        )
        for constant in call.constants
    }
