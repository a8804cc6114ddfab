"""A measurement as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.bench.measurement import Figures, per_mac
from anvil.core.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.bench.baseline import Change
    from anvil.bench.measurement import Measurement

_MINUS = "\N{MINUS SIGN}"
_HEADS = {"instructions": "instructions", "cycles": "cycles", "nanoseconds": "time"}
_N_LEFT = 3  # columns that are words


def table(measurement: Measurement, change: Change | None) -> list[str]:
    """Lines: where it ran, a row for each layer, and the whole."""
    metrics = [name for name in _HEADS if name in measurement.total.metrics]
    rows = [_head(measurement, metrics, change)]
    for number, layer in enumerate(measurement.layers):
        was = None if change is None else change.layers[number]
        cells = [str(layer.index), layer.op, _variant(layer.variant, layer.op), f"{layer.macs:,}"]
        cells += _figures(layer.figures, metrics, layer.macs)
        cells.append(f"{measurement.share(layer):.1%}")
        if change is not None:
            share = change.share(layer.figures, None if was is None else was.figures)
            cells.append("new" if was is None else _signed(share))
            cells.append("" if was is None or was.variant == layer.variant else "other kernel")
        rows.append(cells)
    if measurement.outside.metrics:
        outside = _figures(measurement.outside, metrics, 0)
        rows.append(["", "outside", "", "", *outside, "", *([] if change is None else ["", ""])])
    whole = _figures(measurement.total, metrics, measurement.macs)
    total = ["", "total", "", f"{measurement.macs:,}", *whole, ""]
    if change is not None:
        total += [_signed(change.share(measurement.total, change.total)), ""]
    rows.append(total)
    lines = [f"{measurement.target}: {measurement.board}, {measurement.candidate}", ""]
    lines += [f"  {line}" for line in _aligned(rows)]
    lines += ["", *(f"  {line}" for line in _notes(measurement, change))]
    return lines


def summary(measurement: Measurement, change: Change | None) -> str:
    """The note beside the target's status."""
    total = measurement.total
    parts = [] if total.instructions is None else [f"{total.instructions:,} instructions"]
    parts += [] if total.cycles is None else [f"{total.cycles:,} cycles"]
    if measurement.latency_s is not None:
        parts.append(duration(measurement.latency_s))
    if change is not None:
        parts.append(f"{_HEADS[change.metric]} {_signed(change.share(total, change.total))}")
    return ", ".join(parts)


def _head(measurement: Measurement, metrics: Sequence[str], change: Change | None) -> list[str]:
    unit = "ns/MAC" if measurement.machine is not None else "per MAC"
    names = ["", "op", "kernel", "MACs", *(_HEADS[metric] for metric in metrics), unit, "share"]
    return names if change is None else [*names, "change", ""]


def _figures(figures: Figures, metrics: Sequence[str], macs: int) -> list[str]:
    cells = []
    for metric in metrics:
        value = getattr(figures, metric)
        if value is None:
            cells.append("")
        else:
            cells.append(duration(value * 1e-9) if metric == "nanoseconds" else f"{value:,}")
    relative = per_mac(figures, macs)
    return [*cells, "" if relative is None else f"{relative:.2f}"]


def _variant(symbol: str, op: str) -> str:
    """The kernel's name without what its row says already."""
    return symbol.removeprefix("anvil_").removeprefix(f"{op.lower()}_")


def _signed(share: float | None) -> str:
    """A relative change with its sign.

    >>> _signed(0.0123), _signed(-0.5), _signed(0.0), _signed(None)
    ('+1.2 %', '\N{MINUS SIGN}50.0 %', '0 %', '')
    """
    if share is None:
        return ""
    return "0 %" if share == 0 else f"{share * 100:+.1f} %".replace("-", _MINUS)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if 1 <= column < _N_LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _notes(measurement: Measurement, change: Change | None) -> list[str]:
    notes = [measurement.how]
    if measurement.wait_cycles:
        notes.append(
            f"reads from flash add up to {measurement.wait_cycles:,} cycles of waiting on the "
            "board, which the time holds and the cycles above do not"
        )
    if change is not None and change.gone:
        gone = ", ".join(f"{index} {op}" for (index, op, _) in (one.key for one in change.gone))
        notes.append(f"no longer there: {gone}")
    return notes
