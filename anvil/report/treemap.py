"""Areas in proportion to bytes: rectangles as square as they can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Width by height."""
        return self.width * self.height


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """A rectangle for each size, in the order given, filling `box`; sizes are positive.

    After Bruls, Huizing and van Wijk, Squarified Treemaps (2000): a row grows along the
    shorter side while that makes its worst rectangle more square. Large sizes should come
    first.
    """
    if not sizes:
        return []
    scale = box.area / sum(sizes)
    areas = [size * scale for size in sizes]
    found: list[Box] = []
    rest = box
    start = 0
    while start < len(areas):
        side = min(rest.width, rest.height)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(
            areas[start:end], side
        ):
            end += 1
        row, rest = _lay(areas[start:end], rest)
        found += row
        start = end
    return found


def _worst(areas: Sequence[float], side: float) -> float:
    """The largest ratio of sides in a row of rectangles along `side`."""
    thickness = sum(areas) / side if side else 0.0
    if thickness == 0:
        return float("inf")
    return max(max(area / thickness / thickness, thickness * thickness / area) for area in areas)


def _lay(areas: Sequence[float], rest: Box) -> tuple[list[Box], Box]:
    """One row of rectangles along the shorter side, and what is left."""
    total = sum(areas)
    row = []
    if rest.width >= rest.height:
        thickness = total / rest.height if rest.height else 0.0
        y = rest.y
        for area in areas:
            height = area / thickness if thickness else 0.0
            row.append(Box(x=rest.x, y=y, width=thickness, height=height))
            y += height
        left = Box(
            x=rest.x + thickness, y=rest.y, width=max(rest.width - thickness, 0), height=rest.height
        )
        return row, left
    thickness = total / rest.width
    x = rest.x
    for area in areas:
        width = area / thickness if thickness else 0.0
        row.append(Box(x=x, y=rest.y, width=width, height=thickness))
        x += width
    below = Box(
        x=rest.x, y=rest.y + thickness, width=rest.width, height=max(rest.height - thickness, 0)
    )
    return row, below
