"""The files that an image is made of, by name and digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.image import Image, Package


def deb_name(package: Package) -> str:
    """The name of a package's file, as apt writes it."""
    version = package.version.replace(":", "%3a")
    return f"{package.name}_{version}_{package.architecture}.deb"


def pool_files(image: Image) -> tuple[tuple[str, str, int], ...]:
    """(file name, SHA-256, bytes) of every package and wheel, sorted."""
    debs = [(deb_name(one), one.sha256, one.size_bytes) for one in image.packages]
    wheels = [(one.file, one.sha256, one.size_bytes) for one in image.wheels]
    return tuple(sorted(debs + wheels))
