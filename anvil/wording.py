"""The lines and documents that commands print, from plain values; imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

JSON_FORMAT = 1
_GOOD = frozenset(
    {
        "built",
        "up_to_date",
        "passed",
        "removed",
        "ran",
        "available",
        "planned",
        "measured",
        "rebuilt",
        "released",
    }
)
_UNKNOWN = frozenset({"not_checked", "not_measured"})


def coloured(text: str, code: str, *, enabled: bool) -> str:
    """`text` in an ANSI colour, or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if enabled else text


def summary_line(target: str, status: str, note: str, *, colour: bool) -> str:
    """A target's line at the end of a command.

    >>> summary_line("rpi4", "up_to_date", "", colour=False)
    '✓ rpi4             up to date'
    """
    mark = "✓" if status in _GOOD else "?" if status in _UNKNOWN else "✗"
    shown = coloured(mark, "32" if status in _GOOD else "31", enabled=colour)
    return f"{shown} {target:<16} {status.replace('_', ' ')}" + (f"  {note}" if note else "")


def json_document(
    command: str,
    exit_code: int,
    *,
    diagnostics: Sequence[dict[str, Any]],
    targets: Sequence[dict[str, Any]],
    details: dict[str, Any],
) -> str:
    """What `--json` prints."""
    import json  # noqa: PLC0415  not every command prints one

    document = {
        "format": JSON_FORMAT,
        "command": command,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "diagnostics": list(diagnostics),
        "targets": list(targets),
        **details,
    }
    # ASCII: whatever the locale, and with file names that are no text.
    return json.dumps(document, indent=2) + "\n"
