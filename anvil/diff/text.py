"""A diff for a terminal and for a comment; names from files are shown, and never obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.diff.compare import ADDED, CHANGED, REMOVED, UNCHANGED
from anvil.diff.quantities import QUANTITIES, UNKNOWN, Basis, shown, shown_change, shown_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from anvil.diff.compare import ArtifactChange, Fact, Figure, TargetChange

NOTHING = "nothing changed"
_LEGEND = "~ is predicted before compiling; everything else is measured"
_N_ARTIFACTS = 8  # listed by name
_N_DIGITS = 12  # of a digest
_LONGEST_NAME = 100


def clean(text: str | None) -> str:
    r"""A name on one line, without what a terminal or a reader could take for something else.

    >>> clean("a\nb\x1b[2J"), clean(None)
    ('a b?[2J', 'unknown')
    """
    if not text:
        return UNKNOWN
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME]}..."


def code(text: str | None) -> str:
    """A name in Markdown: nothing within a code span is a link, a mention, a tag or a table.

    >>> code("<b>@all|`x`")
    "`<b>@all¦'x'`"
    """
    return f"`{clean(text).replace('`', chr(39)).replace('|', '¦')}`"


def as_text(changes: Sequence[TargetChange]) -> str:
    """Tables for a terminal; a target that did not change has a name and no table."""
    blocks = [_text_of(one) for one in changes if one.status == CHANGED]
    ends = [
        f"{words}: {', '.join(clean(one.label) for one in found)}"
        for words, status in (
            ("only in the base", REMOVED),
            ("only in the head", ADDED),
            ("unchanged", UNCHANGED),
        )
        if (found := [one for one in changes if one.status == status])
    ]
    if all(one.status == UNCHANGED for one in changes):
        ends.insert(0, NOTHING)
    legend = [_LEGEND] if blocks and _has_predictions(changes) else []
    return "\n".join([*(f"{block}\n" for block in blocks), *ends, *legend]) + "\n"


def _text_of(change: TargetChange) -> str:
    rows = [("", "base", "head", "change", "")]
    rows += [
        (
            _name(one, clean(one.metric)),
            _side(one.base, one.base_basis, one),
            _side(one.head, one.head_basis, one),
            *_difference(one),
        )
        for one in change.figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [clean(change.label)]
    for name, *cells in rows:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append(f"  {name.ljust(widths[0])}  {'  '.join(aligned)}".rstrip())
    lines += [
        f"  {one.label.lower()}: {' → '.join(map(clean, _sides_of(one)))}"
        for one in change.facts
        if _is_told(one)
    ]
    if change.artifacts:
        lines.append(f"  files: {_artifacts(change, clean)}")
    return "\n".join(lines)


def as_markdown(changes: Sequence[TargetChange], *, max_bytes: int | None = None) -> str:
    """The same for a comment: an overview, then a table for each target that changed.

    max_bytes: tables, then rows of the overview are left out, and counted, until it fits.
    """
    title = "### What changed per board\n"
    if all(one.status == UNCHANGED for one in changes):
        n_targets = f"{len(changes)} target{'s' * (len(changes) != 1)}"
        return f"{title}\nNothing changed ({n_targets} compared).\n"
    listed = [one for one in changes if one.status != UNCHANGED]
    n_unchanged = len(changes) - len(listed)
    end = [f"\nUnchanged: {n_unchanged} of {len(changes)} targets.\n"] if n_unchanged else []
    if _has_predictions(listed):
        end.append(f"\n{_LEGEND.replace('~', '`~`', 1)}\n")
    headlines = [quantity for quantity in QUANTITIES if quantity.is_headline]
    head = (
        f"\n| Target | {' | '.join(one.label for one in headlines)} |\n"
        f"|---|{'---:|' * len(headlines)}\n"
    )
    rows = [_overview_row(one, [q.key for q in headlines]) for one in listed]
    tables = [_markdown_of(one) for one in listed if one.status == CHANGED]

    def page(n_rows: int, n_tables: int) -> str:
        parts = [title, head, *rows[:n_rows]]
        if n_rows < len(rows):
            parts.append(f"\n{len(rows) - n_rows} more targets changed and are left out here.\n")
        parts += tables[:n_tables]
        if n_tables < len(tables):
            parts.append(f"\nTables of {len(tables) - n_tables} more targets are left out here.\n")
        return "".join([*parts, *end])

    sizes = [*((len(rows), n) for n in range(len(tables), -1, -1))]
    sizes += [(n, 0) for n in range(len(rows) - 1, -1, -1)]
    fitting = (
        text
        for size in sizes
        if max_bytes is None or len((text := page(*size)).encode()) <= max_bytes
    )
    return next(fitting, title) if max_bytes is not None else page(len(rows), len(tables))


def _overview_row(change: TargetChange, keys: Iterable[str]) -> str:
    cells = []
    for key in keys:
        one = change.figure(key)
        if one is None or (one.base is None and one.head is None):
            cells.append(UNKNOWN)
        elif change.status == REMOVED:
            cells.append(f"was {_side(one.base, one.base_basis, one)}")
        elif change.status == CHANGED and one.is_changed:
            differences = ", ".join(part for part in _difference(one) if part)
            before = _side(one.base, one.base_basis, one)
            after = _side(one.head, one.head_basis, one)
            cells.append(f"{after} ({differences})" if differences else f"{before} → {after}")
        else:
            cells.append(_side(one.head, one.head_basis, one))
    note = {ADDED: " (new)", REMOVED: " (gone)"}.get(change.status, "")
    return f"| {code(change.label)}{note} | {' | '.join(cells)} |\n"


def _markdown_of(change: TargetChange) -> str:
    lines = [
        f"\n#### {code(change.label)}\n",
        "| | base | head | change | |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in change.figures:
        sides = (_side(one.base, one.base_basis, one), _side(one.head, one.head_basis, one))
        cells = (_name(one, code(one.metric)), *sides, *_difference(one))
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        f"| {one.label} | {code(_cut(one.base, one))} | {code(_cut(one.head, one))} | | |"
        for one in change.facts
        if _is_told(one)
    ]
    if change.artifacts:
        lines.append(f"\nFiles: {_artifacts(change, code)}.")
    return "\n".join(lines) + "\n"


def _has_predictions(changes: Iterable[TargetChange]) -> bool:
    return any(
        Basis.PREDICTED in (one.base_basis, one.head_basis)
        for change in changes
        for one in change.figures
    )


def _name(one: Figure, metric: str) -> str:
    return f"{one.quantity.label} ({metric})" if one.metric else one.quantity.label


def _side(value: float | None, basis: Basis | None, one: Figure) -> str:
    return f"{'~' if basis is Basis.PREDICTED else ''}{shown(value, one.quantity.unit)}"


def _difference(one: Figure) -> tuple[str, str]:
    """(absolute, relative), empty where nothing changed or nothing can be compared."""
    if not one.change:
        return "", ""
    return shown_change(one.change, one.quantity.unit), shown_share(one.share)


def _is_told(fact: Fact) -> bool:
    """A digest that is the same on both sides says nothing."""
    return not fact.is_digest or fact.base != fact.head


def _sides_of(fact: Fact) -> tuple[str | None, ...]:
    """One side where both are the same."""
    return tuple(dict.fromkeys(_cut(side, fact) for side in (fact.base, fact.head)))


def _cut(side: str | None, fact: Fact) -> str | None:
    """A digest is cut to what tells it from others."""
    return side[:_N_DIGITS] if fact.is_digest and side is not None else side


def _artifacts(change: TargetChange, name: Callable[[str | None], str]) -> str:
    words = [_artifact(one, name) for one in change.artifacts[:_N_ARTIFACTS]]
    if len(change.artifacts) > _N_ARTIFACTS:
        words.append(f"{len(change.artifacts) - _N_ARTIFACTS} more")
    return f"{len(change.artifacts)} differ: {', '.join(words)}"


def _artifact(one: ArtifactChange, name: Callable[[str | None], str]) -> str:
    if one.base is None:
        return f"{name(one.path)} (new)"
    if one.head is None:
        return f"{name(one.path)} (gone)"
    before, after = one.base.size_bytes, one.head.size_bytes
    if before == after:
        return f"{name(one.path)} (other bits, {after:,} B as before)"
    return f"{name(one.path)} ({before:,} → {after:,} B)"
