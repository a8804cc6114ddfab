"""Handwritten digits as strokes: points in shares of a square, y downwards."""

from __future__ import annotations

import math

Stroke = list[tuple[float, float]]


def _arc(  # noqa: PLR0917  the digits below read better without names
    x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 12
) -> Stroke:
    """An arc about (x, y) from angle `start` to `end`, in degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


DIGITS: dict[int, list[Stroke]] = {
    0: [_arc(0.5, 0.5, 0.2, 0.3, -90, 270, 20)],
    1: [[(0.5, 0.2), (0.5, 0.8)]],
    2: [[*_arc(0.5, 0.36, 0.18, 0.16, -170, 20), (0.35, 0.8), (0.7, 0.8)]],
    3: [[*_arc(0.48, 0.35, 0.16, 0.15, -150, 80), *_arc(0.48, 0.65, 0.19, 0.16, -80, 150)]],
    4: [[(0.55, 0.2), (0.3, 0.6), (0.72, 0.6)], [(0.6, 0.4), (0.6, 0.82)]],
    5: [[(0.68, 0.2), (0.38, 0.2), (0.36, 0.47), *_arc(0.48, 0.61, 0.19, 0.18, -110, 140)]],
    6: [[(0.6, 0.2), (0.42, 0.38), *_arc(0.5, 0.63, 0.17, 0.17, 190, 560, 20)]],
    7: [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.82)], [(0.38, 0.5), (0.66, 0.5)]],
    8: [[*_arc(0.5, 0.35, 0.14, 0.14, 90, -270, 16), *_arc(0.5, 0.65, 0.18, 0.16, -90, 270, 16)]],
    9: [[*_arc(0.48, 0.38, 0.16, 0.17, 0, -360, 16), (0.64, 0.38), (0.62, 0.6), (0.52, 0.82)]],
}
