"""Cases that meet, or just miss, what vpmaddubsw needs of weights: 16 bits for every two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.paired_cases import with_constants

if TYPE_CHECKING:
    import numpy.typing as npt

    from tests.support.kernel_harness import Case


def with_pairs(case: Case, most: int) -> Case:
    """The same case with weights of magnitudes up to `most`, and inputs at their bounds.

    64 is the most that fits in any order of the weights. The first ones are `most`, so that 65
    misses the condition by one.
    """

    def bound(weights: npt.NDArray[Any], _: npt.NDArray[Any]) -> None:
        np.clip(weights, -most, min(most, 127), out=weights)
        flat = weights.reshape(-1)
        flat[:4] = min(most, 127)
        flat[-4:] = -most

    changed = with_constants(case, bound)
    for values in changed.inputs:
        flat = values.reshape(-1)
        flat[: flat.size // 3] = 127
        flat[-(flat.size // 3) :] = -128
    return changed
