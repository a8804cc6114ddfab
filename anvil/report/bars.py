"""Horizontal bars: work by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.report.amounts import exact, percent, short
from anvil.report.svg import chart, fitting, group, mark, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from anvil.report.documents import Layer

WIDTH = 560
_NAME, _VALUE = 176, 112
_ROW = 24
MAX_ROWS = 60


def layer_bars(layers: Sequence[Layer]) -> tuple[Markup, str]:
    """A bar for each layer, and what it counts: instructions, or where unknown MACs.

    Of many layers the most expensive are drawn, in the model's order; the table has all.
    """
    is_counted = any(layer.instructions is not None for layer in layers)
    what = "instructions" if is_counted else "multiply-accumulates"
    values = [(layer.instructions if is_counted else layer.macs) or 0 for layer in layers]
    total = sum(values) or 1
    largest = max(values, default=0) or 1
    shown = sorted(sorted(range(len(layers)), key=lambda n: (-values[n], n))[:MAX_ROWS])
    left, room = _NAME + 8, WIDTH - _NAME - _VALUE - 16
    rows = []
    for row, number in enumerate(shown):
        layer, value = layers[number], values[number]
        y = row * _ROW
        unknown = is_counted and layer.instructions is None
        amount = "not known" if unknown else f"{100 * value / total:.1f} %"
        tip = [f"{layer.number} {layer.op}", layer.tensor, layer.variant]
        if not unknown:
            tip.append(f"{exact(value, '')} {what}, {percent(value / total)}")
        if is_counted and layer.macs and not unknown:
            tip.append(
                f"{exact(layer.macs, '')} multiply-accumulates, "
                f"{value / layer.macs:.1f} instructions each"
            )
        rows += [
            tag(
                "text",
                fitting(f"{layer.number} {layer.op}", _NAME),
                class_="name",
                x=_NAME,
                y=y + 16,
            ),
            tag("rect", class_="track", x=left, y=y + 5, width=room, height=14, rx=3),
            tag(
                "rect",
                class_="bar",
                x=left,
                y=y + 5,
                width=room * value / largest,
                height=14,
                rx=3,
            ),
            tag(
                "text", "" if unknown else short(value, ""), class_="value", x=WIDTH - 58, y=y + 16
            ),
            tag("text", amount, class_="value share", x=WIDTH, y=y + 16),
            # Over the whole row, which is easier to hit than a short bar.
            mark(
                "rect",
                "\n".join(line for line in tip if line),
                class_="row",
                x=0,
                y=y + 1,
                width=WIDTH,
                height=_ROW - 2,
                rx=4,
            ),
        ]
    drawing = chart(
        group(*rows),
        label=f"{what} of each layer; the table below has the figures",
        width=WIDTH,
        height=max(len(shown) * _ROW, _ROW),
        name="bars",
    )
    return drawing, what
