"""The names of a lock's entries: what `anvil lock --update` takes over alone.

anvil, kernels, data, image           a section as a whole
toolchains.zig, targets.rpi4          one of a section
image.packages.binutils, or binutils  a Debian package or a wheel of the root file system
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.lock.document import Lock

if TYPE_CHECKING:
    from collections.abc import Mapping

# Sections whose members are entries of their own.
_OF_MEMBERS = {"toolchains", "quantizers", "models", "targets", "wheels"}
IMAGE = "image"
_OF_IMAGE = ("packages", "wheels")


class OtherChangesError(Exception):
    """A package cannot be taken over alone; `others` are the entries that changed as well."""

    def __init__(self, others: tuple[str, ...]) -> None:
        super().__init__(", ".join(others))
        self.others = others


def entry_of(path: tuple[str, ...]) -> str:
    """The entry that a place of the lock belongs to.

    >>> entry_of(("toolchains", "zig", "version")), entry_of(("kernels", "own"))
    ('toolchains.zig', 'kernels')
    """
    if path[0] in _OF_MEMBERS:
        return ".".join(path[:2])
    if path[0] == IMAGE and len(path) > 2 and path[1] in _OF_IMAGE:
        return ".".join(path[:3])
    return path[0]


def entries(lock: Lock) -> dict[str, tuple[str, ...]]:
    """Every name of `lock` with its path; of packages and wheels the short names, too."""
    named: dict[str, tuple[str, ...]] = {}
    for section, value in lock.sections.items():
        if section in _OF_MEMBERS:
            named |= {f"{section}.{name}": (section, name) for name in value}
        else:
            named[section] = (section,)
    for kind in _OF_IMAGE:
        members = (lock.sections[IMAGE] or {}).get(kind, {})
        for name in members:
            named[f"{IMAGE}.{kind}.{name}"] = (IMAGE, kind, name)
            named.setdefault(name, (IMAGE, kind, name))
    return named


def taken_over(locked: Lock, found: Lock, path: tuple[str, ...]) -> Lock:
    """`locked` with the entry at `path` as it is in `found`: added, changed or removed.

    A package or a wheel stands for the root file system that it is in. Raises
    OtherChangesError where more of that changed than the one.
    """
    sections: dict[str, Any] = dict(locked.sections)
    if path[0] == IMAGE and len(path) == 3:
        others = _changed_members(locked, found) - {path}
        if others or locked.sections[IMAGE] is None or found.sections[IMAGE] is None:
            raise OtherChangesError(tuple(sorted(".".join(other) for other in others)))
        path = (IMAGE,)
    if len(path) == 1:
        sections[path[0]] = found.sections[path[0]]
        return Lock(sections=sections)
    section, name = path
    members: dict[str, Any] = dict(sections[section])
    members.pop(name, None)
    if name in found.sections[section]:
        members[name] = found.sections[section][name]
    sections[section] = members
    return Lock(sections=sections)


def _changed_members(locked: Lock, found: Lock) -> set[tuple[str, ...]]:
    changed: set[tuple[str, ...]] = set()
    for kind in _OF_IMAGE:
        old: Mapping[str, Any] = (locked.sections[IMAGE] or {}).get(kind, {})
        new: Mapping[str, Any] = (found.sections[IMAGE] or {}).get(kind, {})
        changed |= {
            (IMAGE, kind, name)
            for name in old.keys() | new.keys()
            if old.get(name) != new.get(name)
        }
    return changed
