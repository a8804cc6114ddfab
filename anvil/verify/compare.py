"""The comparison of a target's outputs with the reference's."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.tolerance import EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.tolerance import Tolerance
    from anvil.verify.invocation import Port

_CODES = {
    "int8": "b",
    "uint8": "B",
    "bool": "B",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
_FLOATS = {"float16", "float32", "float64"}

Outputs = tuple[tuple[bytes, ...], ...]  # [inference][output], raw little-endian


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One element in which a target differs from the reference."""

    inference: int
    output: int
    element: int  # flat index, row-major
    expected: float
    found: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one target compares over all inferences."""

    n_inferences: int
    n_outputs: int  # tensors compared: inferences times outputs
    n_different_outputs: int  # tensors with at least one element beyond the tolerance
    n_different_elements: int
    max_difference: float  # largest |found - expected|, also within the tolerance; NaN counts inf
    first: Difference | None

    @property
    def is_equal(self) -> bool:
        """Whether every output agrees: bit for bit, or within its tolerance where it has one."""
        return self.n_different_outputs == 0

    def as_json(self) -> dict[str, object]:
        """The comparison as `anvil verify --json` prints it; what is not finite is null."""
        return {
            "inferences": self.n_inferences,
            "outputs": self.n_outputs,
            "different_outputs": self.n_different_outputs,
            "different_elements": self.n_different_elements,
            "max_difference": _finite(self.max_difference),
            "first_difference": None
            if self.first is None
            else {
                "inference": self.first.inference,
                "output": self.first.output,
                "element": self.first.element,
                "expected": _finite(self.first.expected),
                "found": _finite(self.first.found),
            },
        }


def compare(
    *,
    expected: Outputs,
    found: Outputs,
    ports: Sequence[Port],
    tolerances: Sequence[Tolerance] | None = None,
) -> Comparison:
    """Compare two runs of the same inferences; `ports` are the model's outputs.

    Elements may differ by the tolerance of their output, 0 where none are given: floats by its
    `absolute` and `relative` part, integers by its `steps`; NaN agrees with NaN alone, an
    infinity with itself. Raises ValueError where the runs differ in the number of inferences,
    outputs or bytes.
    """
    tolerances = tolerances or [EXACT] * len(ports)
    if len(expected) != len(found):
        msg = f"expected {len(expected)} inferences, found {len(found)}"
        raise ValueError(msg)
    n_different_outputs = 0
    n_different_elements = 0
    max_difference = 0.0
    first: Difference | None = None
    for inference, (row, other) in enumerate(zip(expected, found, strict=True)):
        if not len(row) == len(other) == len(ports):
            msg = f"expected {len(ports)} outputs, found {len(row)} and {len(other)}"
            raise ValueError(msg)
        for output, (port, a, b) in enumerate(zip(ports, row, other, strict=True)):
            if not len(a) == len(b) == port.n_bytes:
                msg = (
                    f"inference {inference}, output {output}: expected {port.n_bytes} bytes, "
                    f"found {len(a)} and {len(b)}"
                )
                raise ValueError(msg)
            if a == b:
                continue
            is_different = False
            allowed = _allowed(a, port, tolerances[output])
            for element, (x, y) in enumerate(zip(_values(a, port), _values(b, port), strict=True)):
                difference = _difference(x, y)
                max_difference = max(max_difference, difference)
                # Beside an infinite expectation every tolerance would be infinite.
                if difference == 0 or (math.isfinite(difference) and difference <= allowed):
                    continue
                is_different = True
                n_different_elements += 1
                if first is None:
                    first = Difference(
                        inference=inference, output=output, element=element, expected=x, found=y
                    )
            n_different_outputs += is_different
    return Comparison(
        n_inferences=len(expected),
        n_outputs=len(expected) * len(ports),
        n_different_outputs=n_different_outputs,
        n_different_elements=n_different_elements,
        max_difference=max_difference,
        first=first,
    )


def _allowed(expected: bytes, port: Port, tolerance: Tolerance) -> float:
    if port.dtype not in _FLOATS:
        return float(tolerance.steps)
    if tolerance.is_exact:
        return 0.0
    magnitudes = (abs(value) for value in _values(expected, port) if math.isfinite(value))
    return tolerance.allowed(max(magnitudes, default=0.0))


def _values(content: bytes, port: Port) -> tuple[int, ...] | tuple[float, ...]:
    code = _CODES[port.dtype]
    return struct.unpack(f"<{len(content) // struct.calcsize(code)}{code}", content)


def _difference(x: float, y: float) -> float:
    """|y - x|; 0 between equal specials such as two NaN, else infinite where one is special."""
    if x == y or (math.isnan(x) and math.isnan(y)):
        return 0.0
    difference = abs(y - x)
    return math.inf if math.isnan(difference) else difference


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
