"""The profiles of several targets/ folders, by name.

A root is one targets/ folder: the project's own, beside anvil.yaml, comes before the
built-in one. A file in an earlier root replaces the file of the same name in a later one,
also for profiles that refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anvil.config.reading import Memo, SourceFile, memo_key, read_valid
from anvil.config.schemas import SchemaKind
from anvil.config.wording import did_you_mean, listed

if TYPE_CHECKING:
    from anvil.config.document import Document
    from anvil.config.schemas import Schemas
    from anvil.core.diagnostics import Diagnostic

# Files of one targets/ folder by their path in it, with forward slashes: boards/rpi4.yaml.
ProfileRoot = Mapping[str, SourceFile]

PROFILE_SUFFIX = ".yaml"
_KINDS = {
    "boards": SchemaKind.TARGET,
    "cores": SchemaKind.CORE,
    "toolchains": SchemaKind.TOOLCHAIN,
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """One profile as read: its root's index, and the document as far as there is one."""

    root: int
    document: Document | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(slots=True, kw_only=True)
class ProfileLibrary:
    """The profiles of several roots, each read once."""

    roots: tuple[ProfileRoot, ...]
    schemas: Schemas
    known: Mapping[str, Any]
    _valid: Memo = field(default_factory=dict)
    _profiles: dict[tuple[int, str], ReadProfile] = field(default_factory=dict)

    def names(self, folder: str) -> list[str]:
        """The profiles of boards, cores or toolchains, sorted by name."""
        start = len(folder) + 1
        return sorted(
            {
                path[start : -len(PROFILE_SUFFIX)]
                for root in self.roots
                for path in root
                if path.startswith(f"{folder}/")
                and path.endswith(PROFILE_SUFFIX)
                and _NAME.fullmatch(path[start : -len(PROFILE_SUFFIX)])
            }
        )

    def memo(self) -> Memo:
        """What to remember: what was read now, and what is known of the other profiles."""
        keys = {
            memo_key(source, self.schemas[_KINDS[folder]])
            for root in self.roots
            for path, source in root.items()
            if (folder := path.partition("/")[0]) in _KINDS
        }
        return {**{key: self.known[key] for key in keys & self.known.keys()}, **self._valid}

    def file_of(self, reference: str) -> str:
        """The file, as messages name it, that a reference such as boards/rpi4 means."""
        path = reference + PROFILE_SUFFIX
        return next(root[path].file for root in self.roots if path in root)

    def read(self, reference: str, first_root: int = 0) -> ReadProfile | None:
        """The profile that a reference means in `first_root` and later roots, if any."""
        path = reference + PROFILE_SUFFIX
        for index in range(first_root, len(self.roots)):
            source = self.roots[index].get(path)
            if source is not None:
                break
        else:
            return None
        if (index, path) not in self._profiles:
            document, diagnostics, memo = read_valid(
                source, self.schemas[_KINDS[reference.partition("/")[0]]], self.known
            )
            self._valid.update(memo)
            self._profiles[index, path] = ReadProfile(index, document, diagnostics)
        return self._profiles[index, path]


def unknown_profile(
    library: ProfileLibrary, folder: str, name: str, *, noun: str | None = None
) -> tuple[str, str | None]:
    """The message and the hint for a name that no profile of a folder has."""
    names = library.names(folder)
    hint = did_you_mean(name, names)
    for root in library.roots:
        stray = root.get(f"{folder}/{name}.yml")
        if stray is not None:
            hint = f"rename {stray.file}: profiles end in {PROFILE_SUFFIX}"
    noun = noun or folder.removesuffix("s")
    return f"unknown {noun} {name!r}; there are: {listed(names)}", hint
