"""How messages name values and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_TEXT = 60


def found(value: object) -> str:
    """What a value is, for people: `the text 'abc'`, `the number 5`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST_TEXT else value[: _LONGEST_TEXT - 3] + "..."
        return f"the text {short!r}"
    return "a list" if isinstance(value, list) else "a mapping"


def listed(names: Iterable[object]) -> str:
    """The names in their order, with commas; `none` where there are none."""
    return ", ".join(str(name) for name in names) or "none"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most probably meant, if any is near."""
    # Imported here: a configuration without mistakes never needs it.
    import difflib  # noqa: PLC0415

    candidates = sorted(known)
    by_folded = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower().replace("_", "-"), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The hint for a misspelt name, or None where nothing is near."""
    match = nearest(name, known)
    return f"did you mean {match!r}?" if match is not None and match != name else None
