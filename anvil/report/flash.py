"""Flash by part: weights of each layer, code of each kernel, and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.report.amounts import exact, percent, short
from anvil.report.documents import figure, layers
from anvil.report.svg import chart, fitting, group, mark, tag
from anvil.report.treemap import Box, squarify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from anvil.report.documents import TargetDocuments

WIDTH, HEIGHT = 560, 380
_HEAD = 20  # a group's own line
_GAP = 3
_KERNEL = "anvil_"
GROUPS = ("Weights", "Kernels", "Other code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of flash."""

    group: str  # one of GROUPS
    name: str
    detail: str
    size_bytes: int


def parts(documents: TargetDocuments) -> list[Part]:
    """Every part, by group and then by size; together they are the program's flash.

    Where the program does not tell its functions apart, its code is one part.
    """
    found = [
        Part(
            group="Weights",
            name=f"{layer.number} {layer.op}",
            detail=layer.tensor,
            size_bytes=layer.weight_bytes,
        )
        for layer in layers(documents.plan)
        if layer.weight_bytes
    ]
    code = figure(documents, "Code")
    kernels = {
        symbol: size
        for symbol, size in (documents.function_bytes or {}).items()
        if symbol.startswith(_KERNEL) and size > 0
    }
    found += [
        Part(
            group="Kernels",
            name=symbol.removeprefix(_KERNEL).partition("__")[0],
            detail=symbol,
            size_bytes=size,
        )
        for symbol, size in kernels.items()
    ]
    if code is not None:
        rest = round(code) - sum(kernels.values())
        if rest > 0:
            detail = "start-up, main program, console, tables and parameters"
            name = "everything else" if kernels else "all code"
            found.append(Part(group="Other code", name=name, detail=detail, size_bytes=rest))
    return sorted(found, key=lambda part: (GROUPS.index(part.group), -part.size_bytes, part.name))


def flash_map(found: Sequence[Part]) -> Markup:
    """A treemap: an area for each part, the groups side by side."""
    total = sum(part.size_bytes for part in found)
    groups = [
        (name, members)
        for name in GROUPS
        if (members := [part for part in found if part.group == name])
    ]
    sizes = [sum(part.size_bytes for part in members) for _, members in groups]
    order = sorted(range(len(groups)), key=lambda index: -sizes[index])
    boxes = dict(
        zip(
            order,
            squarify([sizes[index] for index in order], Box(x=0, y=0, width=WIDTH, height=HEIGHT)),
            strict=True,
        )
    )
    drawn = [
        _group(members, boxes[index], size, total, GROUPS.index(name))
        for index, ((name, members), size) in enumerate(zip(groups, sizes, strict=True))
    ]
    return chart(
        *drawn,
        label=f"{total:,} bytes of flash by part; the table below has the figures",
        width=WIDTH,
        height=HEIGHT,
        name="flash",
    )


def _group(members: Sequence[Part], box: Box, size: int, total: int, colour: int) -> Markup:
    inner = Box(
        x=box.x + _GAP,
        y=box.y + _GAP + _HEAD,
        width=max(box.width - 2 * _GAP, 0.5),
        height=max(box.height - 2 * _GAP - _HEAD, 0.5),
    )
    has_head = box.height > 2 * _HEAD
    if not has_head:
        inner = box
    title = members[0].group
    amount = f"{title} {short(size, 'B')}, {percent(size / total)}"
    # The name whole before the amount in part.
    head = amount if fitting(amount, inner.width, 1.1) == amount else fitting(title, inner.width)
    cells: list[Markup] = []
    for part, cell in zip(members, squarify([p.size_bytes for p in members], inner), strict=True):
        cells.append(
            mark(
                "rect",
                f"{part.group}: {part.name}\n{part.detail}\n{exact(part.size_bytes, 'B')}, "
                f"{percent(part.size_bytes / total)} of flash",
                class_=f"part g{colour}",
                x=cell.x + 1,
                y=cell.y + 1,
                width=max(cell.width - 2, 0.5),
                height=max(cell.height - 2, 0.5),
                rx=2,
            )
        )
        name = fitting(part.name, cell.width - 12)
        if name is not None and cell.height >= 20:
            cells.append(tag("text", name, class_="name", x=cell.x + 7, y=cell.y + 16))
            size_text = short(part.size_bytes, "B")
            if fitting(size_text, cell.width - 12) == size_text and cell.height >= 36:
                cells.append(tag("text", size_text, class_="amount", x=cell.x + 7, y=cell.y + 31))
    headline = None
    if has_head and head is not None:
        headline = tag("text", head, class_="head", x=box.x + _GAP + 2, y=box.y + _GAP + 13)
    return group(headline, *cells)
