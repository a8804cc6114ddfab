"""The images of a user: `images/<sha256>/` in the cache, and the pool that they share.

An image's folder holds image.json, root.tar and, once a sandbox has asked for it, root/. Every
folder appears whole or not at all. `anvil cache gc` leaves images alone: `anvil image remove`
takes them away.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from anvil.image.document import DocumentError, image_document, read_image_document
from anvil.image.failure import explained, failed
from anvil.image.pool import Pool, sha256_of
from anvil.image.root_check import RootError, check_root_tar

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.image import Image

_DOCUMENT = "image.json"
_TAR = "root.tar"
_ROOT = "root"
UNFINISHED = ".tmp-"
_STALE_S = 24 * 3600.0


def images_root(store: Store) -> Path:
    """The folder of all images."""
    return store.root / "images"


def pool_of(store: Store) -> Pool:
    """The pool of packages and wheels."""
    return Pool(folder=images_root(store) / "pool")


def image_folder(store: Store, image: Image) -> Path:
    """Where an image lies, if it does."""
    return images_root(store) / image.sha256


def tar_path(store: Store, image: Image) -> Path:
    """An image's root.tar, if it is there."""
    return image_folder(store, image) / _TAR


def installed_images(store: Store) -> tuple[Image, ...]:
    """The images of this machine, the one that was built or imported last first."""
    found: list[tuple[float, Image]] = []
    folders: list[Path] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        folders += images_root(store).iterdir()
    for folder in folders:
        # Another process may remove an image meanwhile.
        with suppress(FileNotFoundError):
            image = _installed(folder)
            if image is not None:
                found.append(((folder / _DOCUMENT).stat().st_mtime, image))
    found.sort(key=lambda one: (-one[0], one[1].sha256))
    return tuple(image for _, image in found)


def find_image(store: Store, sha256: str) -> Image | None:
    """The image of that digest, or None where this machine has none."""
    return _installed(images_root(store) / sha256)


def newest_image(store: Store, definition: str) -> Image | None:
    """The image of a definition that was built or imported last."""
    fitting = (image for image in installed_images(store) if image.definition == definition)
    return next(fitting, None)


def _installed(folder: Path) -> Image | None:
    try:
        image = read_image_document((folder / _DOCUMENT).read_bytes())
        size_bytes = (folder / _TAR).stat().st_size
    except (OSError, DocumentError):
        return None
    return image if image.sha256 == folder.name and image.size_bytes == size_bytes else None


def keep_image(store: Store, image: Image, tar: Path) -> Path:
    """Take an image into the store; `tar`, on the same file system, is moved. Its folder."""
    folder = image_folder(store, image)
    with explained(str(images_root(store))):
        images_root(store).mkdir(parents=True, exist_ok=True)
        _sweep(images_root(store))
        # A damaged tar is replaced by the sound one.
        if _installed(folder) is not None and sha256_of(folder / _TAR) == image.sha256:
            # The newest is the one to take: this is newer than all others now.
            os.utime(folder / _DOCUMENT)
            tar.unlink()
            return folder
        temporary = Path(tempfile.mkdtemp(dir=images_root(store), prefix=UNFINISHED))
        try:
            temporary.chmod(0o755)
            tar.chmod(0o644)
            tar.replace(temporary / _TAR)
            (temporary / _DOCUMENT).write_bytes(image_document(image))
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return folder


def _sweep(root: Path) -> None:
    """Remove what a killed process left a day ago."""
    for path in root.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path, ignore_errors=True)


def unpacked(store: Store, image: Image) -> Path:
    """The image's root as a folder, unpacked from its tar where it is not yet.

    The tar is hashed and looked through first. Raises AnvilError (exit 1) where it is damaged or
    there is no space.
    """
    from filelock import FileLock  # noqa: PLC0415  only where there is something to unpack

    root = image_folder(store, image) / _ROOT
    if root.is_dir():
        return root
    with explained(str(root.parent)), FileLock(str(root.parent / ".lock")):
        if root.is_dir():
            return root
        tar = tar_path(store, image)
        if sha256_of(tar) != image.sha256:
            raise failed(
                "damaged",
                f"the root file system {tar} is damaged",
                f"anvil image remove {image.sha256[:12]}, and build or import it again",
            )
        temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=UNFINISHED))
        try:
            temporary.chmod(0o755)
            _check(tar, image)
            with tarfile.open(tar) as archive:
                # All was checked, and a link means the root that it will be in. Python 3.11.2,
                # which is Debian's, knows no argument for this.
                archive.extraction_filter = lambda entry, _: entry
                archive.extractall(temporary)  # noqa: S202  checked above
            temporary.rename(root)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return root


def _check(tar: Path, image: Image) -> None:
    try:
        check_root_tar(tar)
    except RootError as error:
        raise failed(
            "leads-out",
            f"the root file system {tar} {error}",
            f"anvil image remove {image.sha256[:12]}, and do not use where it came from again",
        ) from error


def damaged_parts(store: Store) -> tuple[str, ...]:
    """Hash every root file system, and compare what is unpacked with it.

    The paths of what is damaged. An unpacked root that differs is removed, and unpacked again when
    a sandbox asks for it.
    """
    found = []
    for image in installed_images(store):
        tar, root = tar_path(store, image), image_folder(store, image) / _ROOT
        if sha256_of(tar) != image.sha256:
            found.append(str(tar))
        elif root.is_dir() and not _is_unpacked_from(tar, root):
            found.append(str(root))
            doomed = root.with_name(f"{UNFINISHED}{root.name}")
            root.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
    return tuple(found)


def _is_unpacked_from(tar: Path, root: Path) -> bool:
    with tarfile.open(tar) as archive:
        members = {str(PurePosixPath(member.name)): member for member in archive}
        paths = {path.relative_to(root).as_posix() for path in root.rglob("*")}
        if paths != set(members) - {"."}:
            return False
        return all(_is_as(archive, members[path], root / path) for path in sorted(paths))


def _is_as(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bool:
    if member.issym():
        return path.is_symlink() and str(path.readlink()) == member.linkname
    if path.is_symlink():
        return False
    if member.isdir():
        return path.is_dir()
    source = archive.extractfile(member)
    return source is not None and path.is_file() and path.read_bytes() == source.read()


def remove_image(store: Store, image: Image) -> None:
    """Take an image away, and of the pool what no other image needs."""
    with explained(str(images_root(store))):
        doomed = Path(tempfile.mkdtemp(dir=images_root(store), prefix=UNFINISHED))
        image_folder(store, image).rename(doomed / "image")
        shutil.rmtree(doomed, ignore_errors=True)
        needed = {sha256 for left in installed_images(store) for sha256 in _parts(left)}
        pool = pool_of(store)
        for sha256 in _parts(image) - needed:
            with suppress(FileNotFoundError):
                pool.path_of(sha256).unlink()


def _parts(image: Image) -> set[str]:
    return {package.sha256 for package in image.packages} | {one.sha256 for one in image.wheels}
