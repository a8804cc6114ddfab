"""What differs between two locks: the one that is written and what is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.lock.names import entry_of

if TYPE_CHECKING:
    from anvil.lock.document import Lock

# What follows from the first of these that differs is not said again.
_CONSEQUENCES = {
    "version": {"file", "planner", "sha256", "size_bytes", "templates"},
    "packages": {"cores"},  # of a toolchain, whose profile names them for each core
    "sha256": {"size_bytes"},
}
_SHOWN_DIGITS = 12  # of a SHA-256: enough to tell two apart
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the lock says otherwise than it is found."""

    entry: str  # what `anvil lock --update` takes: toolchains.zig
    path: tuple[str, ...]  # toolchains, zig, version
    locked: Any  # None where the lock has nothing there
    found: Any  # None where nothing is found

    @property
    def name(self) -> str:
        """The path as people read it: toolchains.zig.version."""
        return ".".join(self.path)

    def as_json(self) -> dict[str, Any]:
        """The difference for `--json`."""
        return {
            "entry": self.entry,
            "name": self.name,
            "locked": self.locked,
            "found": self.found,
        }


def differences(locked: Lock, found: Lock) -> tuple[Difference, ...]:
    """Every difference, sorted by path; one cause is said once.

    A new version has another digest, which is no difference of its own; of what stands in one
    of the two alone, the parts are not listed.
    """
    return tuple(
        Difference(entry=entry_of(path), path=path, locked=old, found=new)
        for path, old, new in _walk((), dict(locked.sections), dict(found.sections))
    )


def _walk(
    path: tuple[str, ...], locked: dict[str, Any], found: dict[str, Any]
) -> list[tuple[tuple[str, ...], Any, Any]]:
    keys = {key for key in locked.keys() | found.keys() if locked.get(key) != found.get(key)}
    for cause, consequences in _CONSEQUENCES.items():
        if cause in keys:
            keys -= consequences
    listed: list[tuple[tuple[str, ...], Any, Any]] = []
    for key in sorted(keys):
        old, new = locked.get(key), found.get(key)
        inner = (*path, key)
        if isinstance(old, dict) and isinstance(new, dict):
            listed += _walk(inner, old, new)
        else:
            listed.append((inner, old, new))
    return listed


def shown(value: object) -> str:
    """A value of a lock in a message: digests cut short, records by their version.

    >>> shown({"version": "0.17.1", "sha256": ["..."]})
    '0.17.1'
    """
    if value is None:
        return _NOTHING
    if isinstance(value, dict):
        known = (value.get(key) for key in ("version", "sha256", "profile"))
        return next((shown(one) for one in known if isinstance(one, str)), "an entry")
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or _NOTHING
    text = str(value)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:_SHOWN_DIGITS] if is_digest else text
