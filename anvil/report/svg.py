"""Elements of SVG: text is escaped, numbers are short, the same values give the same bytes."""

from __future__ import annotations

import math

from markupsafe import Markup, escape

Child = Markup | str | None


def number(value: float) -> str:
    """At most two decimals, as a coordinate needs.

    >>> number(3.0), number(1 / 3), number(-0.001)
    ('3', '0.33', '0')
    """
    if not math.isfinite(value):
        msg = f"a coordinate is finite, found {value}"
        raise ValueError(msg)
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def tag(name: str, *children: Child, **attributes: str | float | None) -> Markup:
    """An element. `class_` and `data_tip` become class and data-tip; None leaves one out.

    >>> tag("text", "a < b", x=1.5, class_="label")
    Markup('<text x="1.5" class="label">a &lt; b</text>')
    """
    words = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else number(value)
        words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inside = "".join(str(escape(child)) for child in children if child is not None)
    # Every part was escaped just above.
    return Markup(f"<{' '.join(words)}>{inside}</{name}>")  # noqa: S704


def group(*children: Child, **attributes: str | float | None) -> Markup:
    """A `<g>`."""
    return tag("g", *children, **attributes)


def mark(shape: str, tip: str, **attributes: str | float | None) -> Markup:
    """A shape that stands for a value: hovering or focusing it shows `tip`, lines and all.

    The title is what a page without its script shows; the script puts its own tip in place.
    """
    classes = f"mark {attributes.pop('class_', '') or ''}".strip()
    return tag(
        shape,
        tag("title", tip),
        class_=classes,
        role="img",
        aria_label=tip.replace("\n", ", "),
        data_tip=tip,
        **attributes,
    )


def chart(*children: Child, label: str, width: float, height: float, name: str) -> Markup:
    """The outer `<svg>`: scales with its column; `name` is the class for style and script."""
    return tag(
        "svg",
        *children,
        class_=f"chart {name}",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="group",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def text_width(text: str) -> float:
    """How wide a text of 12 pixels is at most, in the fonts that browsers have.

    >>> round(text_width("CONV_2D"))
    59
    """
    return sum(
        8.6
        if character.isupper() or character in "\N{MULTIPLICATION SIGN}…_"
        else 4.6
        if character in " .,:;/()"
        else 7.5
        for character in text
    )


def fitting(text: str, width: float, scale: float = 1.0) -> str | None:
    """`text`, cut in its middle to `width`; None where not even a few characters have room.

    scale: of the font, where 1 is 12 pixels.

    >>> fitting("depthwise_conv", 300), fitting("depthwise_conv", 60), fitting("depthwise", 8)
    ('depthwise_conv', 'dep…onv', None)
    """
    if text_width(text) * scale <= width:
        return text
    for n_characters in range(len(text) - 1, 4, -1):
        head = n_characters // 2
        cut = f"{text[:head]}…{text[len(text) - (n_characters - head - 1) :]}"
        if text_width(cut) * scale <= width:
            return cut
    return None
