"""How well each candidate does: a dot with its confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.report.amounts import exact, short, ticks
from anvil.report.svg import chart, group, mark, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from anvil.report.documents import Candidate

WIDTH = 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 92, 26, 44
_ROW = 38


def accuracy_plot(candidates: Sequence[Candidate], max_drop: float | None) -> Markup | None:
    """Dots and whiskers of 95 %, the float model's value, and the least that is accepted.

    None without any accuracy; `fidelity_plot` shows then what there is.
    """
    shown = [(one, one.accuracy) for one in candidates if one.accuracy is not None]
    if not shown:
        return None
    first = shown[0][1]
    reference = next((a.reference for _, a in shown if a.reference is not None), None)
    floor = None
    if reference is not None and max_drop is not None:
        floor = reference - max_drop if first.higher_is_better else reference + max_drop
    ends = [v for _, a in shown for v in (a.value, a.low, a.high) if v is not None]
    ends += [value for value in (reference, floor) if value is not None]
    low, high = min(ends), max(ends)
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.08 * span, high + 0.08 * span
    room = WIDTH - _LEFT - _RIGHT
    bottom = _TOP + len(shown) * _ROW

    def place(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * room

    grid = []
    for value in ticks(low, high, "metric"):
        x = place(value)
        grid += [
            tag("line", x1=x, x2=x, y1=_TOP - 6, y2=bottom),
            tag("text", short(value, "metric"), x=x, y=bottom + 17),
        ]
    lines = []
    for at, name, text in ((reference, "reference", "float model"), (floor, "limit", "limit")):
        if at is not None:
            x = place(at)
            lines += [
                tag("path", class_=name, d=f"M{x:.2f} {_TOP - 6}V{bottom}"),
                tag("text", text, class_=f"{name}-name", x=x, y=_TOP - 11),
            ]
    rows = []
    for row, (one, accuracy) in enumerate(shown):
        y = _TOP + (row + 0.5) * _ROW
        tip = [one.name, f"{accuracy.metric}: {exact(accuracy.value, 'metric')}"]
        if accuracy.low is not None and accuracy.high is not None:
            tip.append(
                f"95 % confidence: {exact(accuracy.low, 'metric')} to "
                f"{exact(accuracy.high, 'metric')}"
            )
            a, b = place(accuracy.low), place(accuracy.high)
            whisker = f"M{a:.2f} {y:.2f}H{b:.2f}M{a:.2f} {y - 5:.2f}v10M{b:.2f} {y - 5:.2f}v10"
            rows.append(tag("path", class_="whisker", d=whisker))
        if accuracy.drop is not None:
            tip.append(f"lost against the float model: {exact(accuracy.drop, 'metric')}")
        if accuracy.n_samples is not None:
            tip.append(f"{accuracy.n_samples:,} samples")
        rows += [
            tag("text", one.name, class_="name", x=_LEFT - 12, y=y + 4),
            tag("text", short(accuracy.value, "metric"), class_="value", x=WIDTH, y=y + 4),
            mark("circle", "\n".join(tip), class_="dot", cx=place(accuracy.value), cy=y, r=6.5),
        ]
    direction = "more" if first.higher_is_better else "less"
    return chart(
        group(*grid, class_="ticks x"),
        group(*lines, aria_hidden="true"),
        group(*rows),
        tag(
            "text",
            f"{first.metric} ({direction} is better)",
            class_="title x",
            x=_LEFT + room / 2,
            y=bottom + 36,
        ),
        label=f"{first.metric} of each candidate; the table below has the figures",
        width=WIDTH,
        height=bottom + _BOTTOM,
        name="accuracy",
    )


def fidelity_plot(candidates: Sequence[Candidate]) -> Markup | None:
    """Bars of signal to noise against the float model; None where none is known."""
    shown = [(one, one.signal_to_noise_db) for one in candidates]
    known = [value for _, value in shown if value is not None]
    if not known and not any(one.is_exact for one in candidates):
        return None
    largest = max([*known, 1.0])
    room = WIDTH - _LEFT - _RIGHT
    rows = []
    for row, (one, value) in enumerate(shown):
        y = row * _ROW
        rows.append(tag("text", one.name, class_="name", x=_LEFT - 12, y=y + 23))
        if value is None and not one.is_exact:
            rows.append(tag("text", "not known", class_="value", x=WIDTH, y=y + 23))
            continue
        # What is exact has no noise: a whole bar.
        width = room if value is None else room * max(value, 0.0) / largest
        amount = noise(one)
        tip = f"{one.name}\n{amount} signal to noise against the float model"
        if value is None:
            tip = f"{one.name}\nequal to the float model"
        if one.n_inferences is not None:
            tip += f"\n{one.n_inferences:,} {one.fidelity_inputs or ''} inputs".replace("  ", " ")
        rows += [
            tag("rect", class_="track", x=_LEFT, y=y + 11, width=room, height=16, rx=3),
            tag("rect", class_="bar", x=_LEFT, y=y + 11, width=width, height=16, rx=3),
            tag("text", amount, class_="value", x=WIDTH, y=y + 23),
            mark("rect", tip, class_="row", x=0, y=y + 2, width=WIDTH, height=_ROW - 4, rx=4),
        ]
    return chart(
        group(*rows),
        label="Signal to noise of each candidate; the table below has the figures",
        width=WIDTH,
        height=len(shown) * _ROW,
        name="bars",
    )


def noise(one: Candidate) -> str:
    """How close a candidate is to the float model, in words."""
    return "exact" if one.is_exact else short(one.signal_to_noise_db, "dB")


def candidate_rows(candidates: Sequence[Candidate]) -> list[list[str]]:
    """The table behind the plot."""
    rows = []
    for one in candidates:
        accuracy = one.accuracy
        interval = ""
        if accuracy is not None and accuracy.low is not None and accuracy.high is not None:
            interval = f"{exact(accuracy.low, 'metric')} to {exact(accuracy.high, 'metric')}"
        rows.append(
            [
                one.name,
                exact(one.model_bytes, "B"),
                exact(None if accuracy is None else accuracy.value, "metric"),
                interval or exact(None, ""),
                exact(None if accuracy is None else accuracy.drop, "metric"),
                noise(one),
                ": ".join(word for word in (one.status, one.reason) if word),
            ]
        )
    return rows
