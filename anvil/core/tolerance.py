"""How far a float result may lie from the reference's."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What the order of summation and the last bit of a function may change.

    An element of a float tensor agrees where it differs by no more than
    `absolute + relative * m` from what is expected, m being the largest finite magnitude that
    is expected in its tensor: where terms cancel, a small element carries the error of large
    ones. NaN agrees with NaN alone and an infinity with itself.

    An integer agrees where it differs by no more than `steps`: 0 unless floats were rounded
    to it, of which one near the middle of two integers may go either way.
    """

    absolute: float = 0.0
    relative: float = 0.0
    steps: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < 1 and self.steps >= 0):
            msg = (
                "both parts of a tolerance are small numbers and not negative, "
                f"found absolute {self.absolute}, relative {self.relative} and {self.steps} steps"
            )
            raise ValueError(msg)

    @property
    def is_exact(self) -> bool:
        """Whether bits are compared, also those of floats."""
        return self.absolute == 0 and self.relative == 0 and self.steps == 0

    def allowed(self, largest_expected: float) -> float:
        """The largest difference that agrees, given the largest magnitude of the tensor."""
        return self.absolute + self.relative * largest_expected


EXACT = Tolerance()
