"""The root file system that hermetic builds run in, by content."""

from __future__ import annotations

from dataclasses import dataclass

from anvil.core.action import DEBIAN_TOOL


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """A Debian package of the root, as the archive signs for it."""

    name: str
    version: str  # with epoch and revision: 15:12.2.rel1-1
    architecture: str  # amd64, all
    sha256: str  # of the .deb file
    size_bytes: int  # of the .deb file


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Wheel:
    """A Python wheel of the root."""

    name: str  # normalized: in-toto-attestation
    version: str
    file: str  # the wheel's file name
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A root file system; the tar is all that an executor needs."""

    sha256: str  # of the uncompressed tar, which is also its layer's diffID in a container engine
    size_bytes: int  # of the tar
    definition: str  # digest of what it was made from: lists, versions and the way of making it
    suite: str  # Debian's release: bookworm
    architecture: str  # of the programs in it: amd64
    packages: tuple[Package, ...]  # sorted, all that are installed
    wheels: tuple[Wheel, ...]  # sorted, all that are installed

    def version_of(self, tool: str) -> str | None:
        """The version of a tool by its name in an action; None where the root lacks it.

        That is a wheel, or behind `debian:` a Debian package; never one for the other.
        """
        if tool.startswith(DEBIAN_TOOL):
            name = tool.removeprefix(DEBIAN_TOOL)
            found = [package.version for package in self.packages if package.name == name]
        else:
            found = [wheel.version for wheel in self.wheels if wheel.name == tool]
        return found[0] if found else None
