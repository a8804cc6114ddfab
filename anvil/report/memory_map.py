"""The arena over time: a rectangle for each tensor and scratch area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.report.amounts import TIMES, exact, short, ticks
from anvil.report.svg import chart, fitting, group, mark, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from anvil.report.documents import Block, Layer

WIDTH = 1120
_LEFT, _RIGHT, _TOP = 84, 16, 16
_PLOT_HEIGHT = 380
_SLANTED = 118  # room for slanted names of operators
_MAX_NAMED_CALLS = 56
N_COLOURS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Bytes that two blocks hold at the same time: in place, or safely behind each other."""

    first: Block
    second: Block
    offset: int
    size_bytes: int
    first_use: int
    last_use: int


def overlaps(blocks: Sequence[Block]) -> list[Overlap]:
    """Every pair of blocks that shares bytes during a call."""
    found = []
    active: list[Block] = []
    for block in sorted(blocks, key=lambda b: (b.first_use, b.offset, b.name)):
        active = [other for other in active if other.last_use >= block.first_use]
        for other in active:
            start = max(block.offset, other.offset)
            end = min(block.offset + block.size_bytes, other.offset + other.size_bytes)
            if end > start:
                found.append(
                    Overlap(
                        first=other,
                        second=block,
                        offset=start,
                        size_bytes=end - start,
                        first_use=block.first_use,
                        last_use=min(block.last_use, other.last_use),
                    )
                )
        active.append(block)
    return found


def memory_map(
    blocks: Sequence[Block], layers: Sequence[Layer], arena_bytes: int, bound_bytes: int | None
) -> Markup:
    """Calls from left to right, bytes upwards; what two tensors share is hatched.

    A column stands for one call. The model's inputs begin one column before the first call,
    its outputs last one column longer than the last.
    """
    first = min(block.first_use for block in blocks)
    last = max(block.last_use for block in blocks)
    column = (WIDTH - _LEFT - _RIGHT) / (last - first + 1)
    is_named = len(layers) <= _MAX_NAMED_CALLS
    bottom = _TOP + _PLOT_HEIGHT
    height = bottom + (_SLANTED if is_named else 44)
    scale = _PLOT_HEIGHT / max(arena_bytes, 1)

    def left(call: int) -> float:
        return _LEFT + (call - first) * column

    def top(offset: int) -> float:
        return bottom - offset * scale

    names = {id(block): number % N_COLOURS for number, block in enumerate(blocks)}
    rectangles, labels = [], []
    # Large ones first, so that small ones stay within reach of the pointer.
    for block in sorted(blocks, key=lambda b: -b.size_bytes * (b.last_use - b.first_use + 1)):
        x, y = left(block.first_use), top(block.offset + block.size_bytes)
        width = (block.last_use - block.first_use + 1) * column
        tall = block.size_bytes * scale
        is_scratch = block.kind == "scratch"
        rectangles.append(
            mark(
                "rect",
                describe(block, layers),
                class_=f"block {'scratch' if is_scratch else f'c{names[id(block)]}'}",
                x=x + 0.75,
                y=y,
                width=max(width - 1.5, 0.5),
                height=max(tall, 1.0),
                rx=min(3.0, tall / 3),
            )
        )
        label = short(block.size_bytes, "B")
        if fitting(label, width - 8, 1.1) == label and tall >= 15:
            labels.append(tag("text", label, x=x + width / 2, y=y + tall / 2 + 4))
    shared = [
        tag(
            "rect",
            x=left(one.first_use) + 0.75,
            y=top(one.offset + one.size_bytes),
            width=max((one.last_use - one.first_use + 1) * column - 1.5, 0.5),
            height=max(one.size_bytes * scale, 1.0),
            fill="url(#hatch)",
        )
        for one in overlaps(blocks)
    ]
    bound = []
    if bound_bytes is not None and 0 < bound_bytes < arena_bytes:
        y = top(bound_bytes)
        bound = [
            tag("path", class_="limit", d=f"M{_LEFT} {y:.2f}H{WIDTH - _RIGHT}"),
            tag(
                "text",
                f"lower bound {short(bound_bytes, 'B')}",
                class_="bound",
                x=WIDTH - _RIGHT - 4,
                y=y - 5,
            ),
        ]
    return chart(
        group(*_byte_ticks(arena_bytes, top), class_="ticks y"),
        group(
            *_call_ticks(layers, left, column, bottom, is_named=is_named), class_="ticks x calls"
        ),
        tag("path", class_="axis", d=f"M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}"),
        group(*rectangles, class_="blocks"),
        group(*shared, class_="shared", aria_hidden="true"),
        group(*labels, class_="labels", aria_hidden="true"),
        group(*bound, aria_hidden="true"),
        label=(
            f"What lies in the arena of {arena_bytes:,} bytes during each of {len(layers)} calls; "
            "the table below has the figures"
        ),
        width=WIDTH,
        height=height,
        name="memory",
    )


def describe(block: Block, layers: Sequence[Layer]) -> str:
    """A block in a few lines."""
    kind = "scratch for " if block.kind == "scratch" else ""
    lines = [f"{kind}{block.name}"]
    if block.shape is not None:
        lines.append(f"{TIMES.join(map(str, block.shape)) or 'scalar'} {block.dtype}".rstrip())
    lines.append(
        f"{exact(block.size_bytes, 'B')} at {block.offset:,} to "
        f"{block.offset + block.size_bytes - 1:,}"
    )
    lines.append(span(block, layers))
    return "\n".join(lines)


def span(block: Block, layers: Sequence[Layer]) -> str:
    """When a block is needed, in words."""

    def call(number: int) -> str:
        if number < 0:
            return "before the first call"
        if number >= len(layers):
            return "after the last call"
        return f"call {number} ({layers[number].op})"

    if block.first_use == block.last_use:
        return f"needed in {call(block.first_use)}"
    return f"needed from {call(block.first_use)} to {call(block.last_use)}"


def _byte_ticks(arena_bytes: int, top: object) -> list[Markup]:
    assert callable(top)
    found = []
    for value in ticks(0, arena_bytes, "B"):
        y = top(round(value))
        found += [
            tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y),
            tag("text", short(value, "B"), x=_LEFT - 8, y=y + 4),
        ]
    return found


def _call_ticks(
    layers: Sequence[Layer], left: object, column: float, bottom: float, *, is_named: bool
) -> list[Markup]:
    assert callable(left)
    step = 1 if is_named else max(1, round(len(layers) / 20))
    found = []
    for number in range(0, len(layers), step):
        x = left(number) + column / 2
        if is_named:
            text = fitting(f"{number} {layers[number].op}", 160)
            found.append(
                tag("text", text, transform=f"translate({x + 3:.2f} {bottom + 13:.2f}) rotate(-38)")
            )
        else:
            found.append(tag("text", str(number), x=x, y=bottom + 17, class_="plain"))
    return found
