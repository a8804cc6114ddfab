"""What a diff compares: each quantity with its unit and its place in the documents."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from anvil.core.units import duration

ACCURACY = "accuracy"
UNKNOWN = "unknown"


class Basis(enum.StrEnum):
    """Where a figure comes from."""

    MEASURED = "measured"
    PREDICTED = "predicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A figure of a target; less is better unless told."""

    key: str
    label: str
    unit: str  # B, s, dB, or empty for counts and metrics
    path: tuple[str, ...]
    is_headline: bool = False  # shown where it is not known, and in the overview
    is_evaluated: bool = False  # plan.json has what was measured, not foretold
    higher_is_better: bool = False


QUANTITIES = (
    Quantity(key="flash", label="Flash", unit="B", path=("flash_bytes", "total"), is_headline=True),
    Quantity(key="code", label="Code", unit="B", path=("flash_bytes", "code")),
    Quantity(key="weights", label="Weights", unit="B", path=("flash_bytes", "weights")),
    Quantity(key="ram", label="RAM", unit="B", path=("ram_bytes", "total"), is_headline=True),
    Quantity(key="arena", label="Arena", unit="B", path=("ram_bytes", "arena")),
    Quantity(key="data", label="Data", unit="B", path=("ram_bytes", "data")),
    Quantity(key="bss", label="Other zeroed data", unit="B", path=("ram_bytes", "bss")),
    Quantity(key="stack", label="Stack", unit="B", path=("ram_bytes", "stack")),
    Quantity(key="stack_bound", label="Stack bound", unit="B", path=("stack_bound_bytes",)),
    Quantity(
        key="instructions",
        label="Instructions",
        unit="",
        path=("instructions",),
        is_headline=True,
    ),
    Quantity(key="cycles", label="Cycles", unit="", path=("cycles",)),
    Quantity(key="latency", label="Latency", unit="s", path=("latency_s",), is_headline=True),
    Quantity(
        key=ACCURACY,
        label="Accuracy",
        unit="",
        path=("accuracy", "value"),
        is_headline=True,
        is_evaluated=True,
        higher_is_better=True,
    ),
    Quantity(
        key="signal_to_noise",
        label="Signal to noise",
        unit="dB",
        path=("fidelity", "signal_to_noise_db"),
        is_evaluated=True,
        higher_is_better=True,
    ),
)
BY_KEY = {quantity.key: quantity for quantity in QUANTITIES}


def shown(value: float | None, unit: str) -> str:
    """A value for people, whose every digit tells.

    >>> shown(24220, "B"), shown(0.0301, "s"), shown(0.985, ""), shown(None, "B"), shown(0, "B")
    ('24,220 B', '30.1 ms', '0.985', 'unknown', '0 B')
    """
    if value is None:
        return UNKNOWN
    if unit == "s" and value > 0:
        return duration(value, 4)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return f"{text} {unit}".rstrip()


def shown_change(change: float, unit: str) -> str:
    """A difference with its sign.

    >>> shown_change(-1200, "B"), shown_change(0.0012, "s"), shown_change(0, "B")
    ('-1,200 B', '+1.2 ms', '0 B')
    """
    return (
        shown(0, unit) if change == 0 else f"{'+' if change > 0 else '-'}{shown(abs(change), unit)}"
    )


def shown_share(share: float | None) -> str:
    """A relative change; empty where there is none.

    >>> shown_share(0.0123), shown_share(-0.5), shown_share(36.7123), shown_share(None)
    ('+1.23 %', '-50 %', '+3,671 %', '')
    >>> shown_share(-0.0000012)
    'under 0.001 %'
    """
    if share is None:
        return ""
    percent = share * 100
    if 0 < abs(percent) < 0.001:
        return "under 0.001 %"
    return f"{percent:+,.0f} %" if abs(percent) >= 100 else f"{percent:+.3g} %"
