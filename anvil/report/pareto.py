"""The plot of all choices: two of their figures, the front, and what was chosen.

Positions and ticks of every figure are computed here; the page's script only puts the
points where another pair of axes wants them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.report.amounts import exact, short, ticks
from anvil.report.svg import chart, group, mark, number, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from anvil.report.documents import Choice, Metric

WIDTH, HEIGHT = 560, 380
LEFT, RIGHT, TOP, BOTTOM = 78, 18, 18, 52
_PLOT_WIDTH = WIDTH - LEFT - RIGHT
_PLOT_HEIGHT = HEIGHT - TOP - BOTTOM
_MARGIN = 0.09  # of the span, so that no point lies on an axis
N_COLOURS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One figure of all choices, as shares of an axis."""

    metric: Metric
    positions: tuple[float | None, ...]  # by choice
    ticks: tuple[tuple[float, str], ...]
    limit: float | None  # the requirement or the board's memory; None outside the plot

    def as_json(self) -> dict[str, Any]:
        """For the page's script."""
        return {
            "label": self.title,
            "positions": [None if p is None else round(p, 4) for p in self.positions],
            "ticks": [[round(position, 4), text] for position, text in self.ticks],
            "limit": None if self.limit is None else round(self.limit, 4),
        }

    @property
    def title(self) -> str:
        """The figure and which end of it is the good one."""
        return (
            f"{self.metric.label} ({'more' if self.metric.higher_is_better else 'less'} is better)"
        )


def make_axis(metric: Metric, choices: Sequence[Choice], limit: float | None) -> Axis:
    """The axis of one figure, wide enough for every choice; what is infinite is at its end."""
    values = [choice.values.get(metric.key) for choice in choices]
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known), max(known)
    if limit is not None and low <= limit <= high + (high - low):
        high = max(high, limit)
    span = (high - low) or abs(high) or 1.0
    # A figure that is never negative gets no axis below zero.
    start = max(low - _MARGIN * span, 0.0) if low >= 0 else low - _MARGIN * span
    end = high + _MARGIN * span

    def share(value: float) -> float:
        return 1.0 if math.isinf(value) else (value - start) / (end - start)

    return Axis(
        metric=metric,
        positions=tuple(None if value is None else share(value) for value in values),
        ticks=tuple(
            (share(value), short(value, metric.unit))
            for value in ticks(start, end, metric.unit, n_wanted=4)
        ),
        limit=share(limit) if limit is not None and start <= limit <= end else None,
    )


def front(choices: Sequence[Choice], x: Metric, y: Metric) -> list[int]:
    """Indices of the choices that no other beats in both figures, by x; ties stay once.

    Choices that do not fit, or lack a figure, are on no front.
    """

    def cost(metric: Metric, choice: Choice) -> float | None:
        value = choice.values.get(metric.key)
        if value is None:
            return None
        return -value if metric.higher_is_better else value

    points = []
    for index, choice in enumerate(choices):
        at_x, at_y = cost(x, choice), cost(y, choice)
        if choice.fits is not False and at_x is not None and at_y is not None:
            points.append((at_x, at_y, index))
    best = float("inf")
    found = []
    for _, at_y, index in sorted(points):
        if at_y < best:
            found.append(index)
            best = at_y
    return sorted(found, key=lambda index: choices[index].values.get(x.key) or 0.0)


def default_axes(metrics: Sequence[Metric]) -> tuple[Metric, Metric]:
    """What is shown first: a quality over flash where there is one, else RAM over flash."""
    keys = {metric.key: metric for metric in metrics}
    x = next(
        (keys[k] for k in ("flash_bytes", "weight_bytes", "ram_bytes", "arena_bytes") if k in keys),
        metrics[0],
    )
    order = ("accuracy", "signal_to_noise_db", "ram_bytes", "arena_bytes", "instructions")
    y = next((keys[k] for k in order if k in keys and keys[k] is not x), metrics[-1])
    return x, y


def colours(choices: Sequence[Choice]) -> dict[str, int]:
    """A colour's number for each candidate, in order of appearance."""
    names = dict.fromkeys(choice.candidate for choice in choices)
    return {name: index % N_COLOURS for index, name in enumerate(names)}


def describe(choice: Choice, metrics: Sequence[Metric]) -> str:
    """A choice in a few lines."""
    head = ", ".join(word for word in (choice.candidate, choice.strategy) if word)
    lines = [f"{head}{' (chosen)' if choice.chosen else ''}"]
    lines += [
        f"{metric.label}: {exact(choice.values[metric.key], metric.unit)}"
        for metric in metrics
        if choice.values.get(metric.key) is not None
    ]
    lines += [f"does not fit: {reason}" for reason in choice.failed]
    return "\n".join(lines)


def pareto_plot(
    choices: Sequence[Choice], metrics: Sequence[Metric], limits: Mapping[str, float | None]
) -> tuple[Markup, dict[str, Any]]:
    """The plot at its first pair of axes, and what the script needs for the others."""
    axes = {m.key: make_axis(m, choices, limits.get(m.key)) for m in metrics}
    x, y = (axes[metric.key] for metric in default_axes(metrics))
    fronts = {f"{a.key}|{b.key}": front(choices, a, b) for a in metrics for b in metrics}
    colour = colours(choices)
    drawing = chart(
        _axis_lines(),
        group(*_x_ticks(x), class_="ticks x"),
        group(*_y_ticks(y), class_="ticks y"),
        tag("text", x.title, class_="title x", x=LEFT + _PLOT_WIDTH / 2, y=HEIGHT - 8),
        tag(
            "text",
            y.title,
            class_="title y",
            transform=f"translate(14 {number(TOP + _PLOT_HEIGHT / 2)}) rotate(-90)",
        ),
        _limit_line("x", x.limit),
        _limit_line("y", y.limit),
        tag("path", class_="front", d=_steps(fronts[f"{x.metric.key}|{y.metric.key}"], x, y)),
        group(
            *(
                _point(choice, at_x, at_y, colour[choice.candidate], describe(choice, metrics))
                # The chosen one comes last, above the others.
                for choice, at_x, at_y in sorted(
                    zip(choices, x.positions, y.positions, strict=True),
                    key=lambda row: row[0].chosen,
                )
            ),
            class_="points",
        ),
        label=f"Choices by {x.metric.label} and {y.metric.label}; the table below has the figures",
        width=WIDTH,
        height=HEIGHT,
        name="pareto",
    )
    order = sorted(range(len(choices)), key=lambda index: choices[index].chosen)
    return drawing, {
        "x": x.metric.key,
        "y": y.metric.key,
        "box": [LEFT, TOP, _PLOT_WIDTH, _PLOT_HEIGHT],
        "order": order,
        "axes": {key: axis.as_json() for key, axis in axes.items()},
        "fronts": fronts,
    }


def place_x(share: float) -> float:
    """A share of the x axis as a coordinate."""
    return LEFT + share * _PLOT_WIDTH


def place_y(share: float) -> float:
    """A share of the y axis, which grows upwards, as a coordinate."""
    return TOP + (1 - share) * _PLOT_HEIGHT


def _axis_lines() -> Markup:
    return tag("path", class_="axis", d=f"M{LEFT} {TOP}V{TOP + _PLOT_HEIGHT}H{LEFT + _PLOT_WIDTH}")


def _x_ticks(axis: Axis) -> list[Markup]:
    bottom = TOP + _PLOT_HEIGHT
    found = []
    for share, text in axis.ticks:
        x = place_x(share)
        found += [
            tag("line", x1=x, x2=x, y1=TOP, y2=bottom),
            tag("text", text, x=x, y=bottom + 17),
        ]
    return found


def _y_ticks(axis: Axis) -> list[Markup]:
    found = []
    for share, text in axis.ticks:
        y = place_y(share)
        found += [
            tag("line", x1=LEFT, x2=LEFT + _PLOT_WIDTH, y1=y, y2=y),
            tag("text", text, x=LEFT - 8, y=y + 4),
        ]
    return found


def _limit_line(name: str, share: float | None) -> Markup:
    """Always there, so that the script finds it; without a path where there is no limit."""
    path = ""
    if share is not None and name == "x":
        path = f"M{number(place_x(share))} {TOP}v{_PLOT_HEIGHT}"
    elif share is not None:
        path = f"M{LEFT} {number(place_y(share))}h{_PLOT_WIDTH}"
    return tag("path", class_=f"limit {name}", d=path)


def _steps(indices: Sequence[int], x: Axis, y: Axis) -> str:
    """Along the front, first sideways and then up or down."""
    words: list[str] = []
    for index in indices:
        at_x, at_y = x.positions[index], y.positions[index]
        if at_x is None or at_y is None:
            continue
        left, top = number(place_x(at_x)), number(place_y(at_y))
        words.append(f"H{left}V{top}" if words else f"M{left} {top}")
    return "".join(words)


def _point(choice: Choice, at_x: float | None, at_y: float | None, colour: int, tip: str) -> Markup:
    classes = [f"c{colour}"]
    classes += ["chosen"] if choice.chosen else []
    classes += ["unfit"] if choice.fits is False else []
    hidden = at_x is None or at_y is None
    return mark(
        "circle",
        tip,
        class_=" ".join([*classes, *(["off"] if hidden else [])]),
        cx=place_x(at_x or 0.0),
        cy=place_y(at_y or 0.0),
        r=8 if choice.chosen else 6,
    )
