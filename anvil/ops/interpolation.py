"""Tables of 513 int16 entries, interpolated between, as TFLite's reference makes and reads them.

An entry stands at every 128th step of an int16 input. TFLite chooses it half the error away
from the function, which the middle of the piece after it would have: both ends pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.ops.requantize import round_half_away

if TYPE_CHECKING:
    from collections.abc import Callable

_N_PIECES = 512
_PIECE_BITS = 7


def interpolation_table(
    function: Callable[[float], float], low: float, high: float
) -> npt.NDArray[np.int16]:
    """513 entries, in Q0.15, of a function over [low, high] with results from -1 to 1.

    Computed in double precision, as TFLite does for these two tables.
    """
    scale = 2.0**15
    step = (high - low) / _N_PIECES

    def rounded(x: float) -> int:
        return round_half_away(function(x) * scale)

    entries = []
    for piece in range(_N_PIECES):
        start = low + piece * step
        here, after = rounded(start), function(low + (piece + 1) * step) * scale
        middle = rounded(start + step / 2)
        error = round_half_away((after + here) / 2) - middle
        entries.append(here - round_half_away(error / 2))
    entries.append(rounded(high))
    return np.clip(entries, -(2**15), 2**15 - 1).astype(np.int16)


def interpolate(table: npt.NDArray[np.int16], values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The table at int16 values, rounded with halves up; the C kernels do the same."""
    wide = values.astype(np.int64)
    entries = table.astype(np.int64)
    index = 256 + (wide >> _PIECE_BITS)
    slope = entries[index + 1] - entries[index]
    fraction = wide & ((1 << _PIECE_BITS) - 1)
    result: npt.NDArray[np.int64] = entries[index] + ((slope * fraction + 64) >> _PIECE_BITS)
    return result
