"""Numbers as the report writes them, and the round values that an axis shows."""

from __future__ import annotations

import math

_BINARY = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))
_DECIMAL = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
UNKNOWN = "\N{EN DASH}"
TIMES = " \N{MULTIPLICATION SIGN} "  # between the extents of a shape


def short(value: float | None, unit: str) -> str:
    """A value with about three digits; units are B, s, dB, fraction, metric and empty for counts.

    >>> short(10000, "B"), short(4.12e6, ""), short(0.0123, "s"), short(0.01, "fraction")
    ('9.77 KiB', '4.12 M', '12.3 ms', '1 %')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if unit == "s":
        factor, name = next(
            ((f, n) for f, n in _TIMES if abs(value) >= f), (_TIMES[-1] if value else _TIMES[0])
        )
        return f"{_digits(value / factor)} {name}"
    if unit == "fraction":
        return f"{_digits(100 * value)} %"
    if unit == "metric":
        return f"{value:.4g}"
    if unit == "dB":
        return f"{value:.1f} dB"
    scales = _BINARY if unit == "B" else _DECIMAL
    factor, name = next(((f, n) for f, n in scales if abs(value) >= f), (1, unit))
    return f"{_digits(value / factor)} {name}".rstrip()


def exact(value: float | None, unit: str) -> str:
    """A value with every digit that matters.

    >>> exact(10000, "B"), exact(4123456, ""), exact(None, "B") == UNKNOWN
    ('10,000 B', '4,123,456', True)
    """
    if unit == "dB" and value == math.inf:
        return "exact"
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if unit in {"B", ""}:
        return f"{round(value):,} {unit}".rstrip()
    if unit == "metric":
        return f"{value:.6g}"
    return short(value, unit)


def percent(share: float | None, *, signed: bool = False) -> str:
    """A share of one; an exact zero is said without decimals.

    >>> percent(0.1234), percent(-0.0213, signed=True), percent(0.0, signed=True)
    ('12.3 %', '-2.13 %', '0 %')
    """
    if share is None or not math.isfinite(share):
        return UNKNOWN
    if share == 0:
        return "0 %"
    return f"{'+' if signed and share > 0 else ''}{_digits(100 * share)} %"


def _digits(value: float) -> str:
    """Three digits, and no more decimals than they leave.

    >>> _digits(123456.0), _digits(12.0), _digits(0.01234)
    ('123456', '12', '0.0123')
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{value:.4f}" if "e" in text else text


def ticks(low: float, high: float, unit: str, n_wanted: int = 5) -> list[float]:
    """Round values inside [low, high]: multiples of 1, 2 or 5 in the unit that is shown.

    >>> ticks(0, 10000, "B")
    [0, 2048, 4096, 6144, 8192]
    """
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return [low] if math.isfinite(low) else []
    base = 1.0
    if unit == "B":
        base = next((factor for factor, _ in _BINARY if high >= factor), 1)
    span = (high - low) / base / n_wanted
    power = 10.0 ** math.floor(math.log10(span))
    step = next(s for s in (1, 2, 5, 10) if s * power >= span * (1 - 1e-9)) * power * base
    if unit in {"B", ""}:
        step = max(1, round(step))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]
