"""Sizes, frequencies and times as people write them: a number and a unit.

Binary and decimal prefixes are both there and never mixed up: KiB is 1024 bytes, kB is
1000. Units are case-sensitive, since mHz is not MHz.

>>> parse_bytes("0.5 KiB"), parse_hertz("32.768 kHz"), parse_seconds("50 ms")
(512, 32768, 0.05)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each unit as (numerator, denominator) of the base unit: exact, without a class of fractions.
BYTE_UNITS: Mapping[str, tuple[int, int]] = {
    "B": (1, 1),
    "KiB": (1024, 1),
    "MiB": (1024**2, 1),
    "GiB": (1024**3, 1),
    "kB": (1000, 1),
    "MB": (1000**2, 1),
}
HERTZ_UNITS: Mapping[str, tuple[int, int]] = {
    "Hz": (1, 1),
    "kHz": (1000, 1),
    "MHz": (1000**2, 1),
    "GHz": (1000**3, 1),
}
SECOND_UNITS: Mapping[str, tuple[int, int]] = {
    "ns": (1, 1000**3),
    "us": (1, 1000**2),
    "µs": (1, 1000**2),
    "ms": (1, 1000),
    "s": (1, 1),
}

# Keyboards write the micro sign (U+00B5), Unicode's normal form is the Greek letter.
_GREEK_MU, _MICRO_SIGN = "\N{GREEK SMALL LETTER MU}", "\N{MICRO SIGN}"

# More digits than any size, clock or time needs, and fewer than int() refuses to convert.
_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.([0-9]{1,18}))?)[ \t]*([^\s0-9.,+-]*)")


def parse_bytes(value: object) -> int:
    """The number of bytes that a text such as `256 KiB` stands for.

    Raises ValueError with a sentence for the user: no text, no unit, another unit, or no
    whole number of bytes.
    """
    return _whole(value, BYTE_UNITS, noun="size", example="64 KiB", base="bytes")


def parse_hertz(value: object) -> int:
    """The frequency in hertz that a text such as `64 MHz` stands for; errors as above."""
    return _whole(value, HERTZ_UNITS, noun="frequency", example="64 MHz", base="hertz")


def parse_seconds(value: object) -> float:
    """The time in seconds that a text such as `50 ms` stands for; errors as above."""
    numerator, denominator = _quantity(value, SECOND_UNITS, noun="time", example="50 ms")
    return numerator / denominator


def duration(seconds: float, n_digits: int = 3) -> str:
    """A time with so many digits at least, in the unit that suits it; `parse_seconds` reads it.

    >>> duration(1.26e-5), duration(0.05), duration(0.9999e-3), duration(12.0), duration(1e-9)
    ('12.6 µs', '50 ms', '1 ms', '12 s', '1 ns')
    """
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
    # What is rounded up to a whole unit is written in that one: 0.9999 ms is 1 ms.
    nearly = 1 - 0.5 * 10.0**-n_digits
    name, factor = next(((n, f) for n, f in units if abs(seconds) >= f * nearly), units[-1])
    value = seconds / factor
    whole = abs(value) >= 10**n_digits * nearly
    return f"{value:.0f} {name}" if whole else f"{value:.{n_digits}g} {name}"


def _whole(
    value: object,
    units: Mapping[str, tuple[int, int]],
    *,
    noun: str,
    example: str,
    base: str,
) -> int:
    numerator, denominator = _quantity(value, units, noun=noun, example=example)
    if numerator % denominator:
        exact = f"{numerator / denominator:g}"
        msg = f"{value} is {exact} {base}, and a {noun} is a whole number of {base}"
        raise ValueError(msg)
    return numerator // denominator


def _quantity(
    value: object, units: Mapping[str, tuple[int, int]], *, noun: str, example: str
) -> tuple[int, int]:
    """The quantity in the base unit as (numerator, denominator)."""
    allowed = f"a number with {_listed(list(units))}, such as {example}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        msg = f"{value} has no unit; a {noun} is {allowed}"
        raise ValueError(msg)  # noqa: TRY004  to the user it is a bad value, like the others
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        what = repr(value[:40]) if isinstance(value, str) else "no text"
        msg = f"found {what}; a {noun} is {allowed}"
        raise ValueError(msg)
    number, decimals, written = match[1], match[2] or "", match[3]
    unit = written.replace(_GREEK_MU, _MICRO_SIGN)
    if not unit:
        msg = f"{number} has no unit; a {noun} is {allowed}"
        raise ValueError(msg)
    if unit not in units:
        near = [u for u in units if u.lower().replace("i", "") == unit.lower().replace("i", "")]
        meant = f"; did you mean {_listed(near)}?" if near else ""
        msg = f"{written[:20]!r} is no unit; a {noun} is {allowed}{meant}"
        raise ValueError(msg)
    numerator, denominator = units[unit]
    return int(number.replace(".", "")) * numerator, 10 ** len(decimals) * denominator


def _listed(names: list[str]) -> str:
    """The names as prose: `a`, `a or b`, `a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
