"""An image as one file, for machines without a network: export and import.

An export is a tar of, in this order, export.json (the digest of every other file), image.json,
Dockerfile, pool/ with every .deb and .whl, and root.tar. The same image gives the same bytes.
Nothing of a file that comes from elsewhere is believed: every entry has to be the one that is
expected next, with the digest that export.json says, and root.tar is looked through.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from anvil.core.digest import canonical_json
from anvil.image.document import FORMAT, DocumentError, image_document, read_image_document
from anvil.image.failure import explained, failed, wrong
from anvil.image.parts import pool_files
from anvil.image.pool import sha256_of
from anvil.image.root_check import RootError, check_root_tar
from anvil.image.store import UNFINISHED, images_root, keep_image, pool_of, tar_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anvil.cache.store import Store
    from anvil.core.image import Image

_CONTENTS = "export.json"
_IMAGE = "image.json"
_DOCKERFILE = "Dockerfile"
_ROOT = "root.tar"
_CHUNK_BYTES = 1 << 20
# More than any honest document has; a pool of a thousand files has less.
_MAX_DOCUMENT_BYTES = 4 << 20
_AGAIN = "export the image again where it was made, and compare the sha256 of both files"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """A file of an export."""

    name: str
    sha256: str
    size_bytes: int


def _expected(image: Image, dockerfile: bytes) -> list[_Expected]:
    document = image_document(image)
    files = [
        _Expected(name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in ((_IMAGE, document), (_DOCKERFILE, dockerfile))
    ]
    files += [
        _Expected(name=f"pool/{name}", sha256=sha256, size_bytes=size_bytes)
        for name, sha256, size_bytes in pool_files(image)
    ]
    return [*files, _Expected(name=_ROOT, sha256=image.sha256, size_bytes=image.size_bytes)]


def export_image(store: Store, image: Image, dockerfile: bytes, target: Path) -> str:
    """Write an export; its SHA-256. The file appears whole or not at all.

    Raises AnvilError (exit 1) where a file of the pool or the root is gone or damaged, or the
    target cannot be written.
    """
    pool = pool_of(store)
    with explained(str(pool.folder)):
        gone = [name for name, sha256, _ in pool_files(image) if pool.find(sha256) is None]
    if gone:
        raise failed(
            "pool",
            f"the pool lacks {', '.join(gone)}",
            "anvil image build downloads what the mirror still has",
        )
    with explained(str(target.parent)):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=UNFINISHED)
    temporary = Path(name)
    try:
        with explained(str(target.parent)):
            with os.fdopen(handle, "wb") as file:
                _write(file, store, image, dockerfile)
            # mkstemp's file is for its owner alone; this one is to be handed on.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            sha256 = sha256_of(temporary)
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return sha256


def _write(file: IO[bytes], store: Store, image: Image, dockerfile: bytes) -> None:
    pool = pool_of(store)
    expected = _expected(image, dockerfile)
    contents = canonical_json(
        {"format": FORMAT, "files": [[one.name, one.sha256, one.size_bytes] for one in expected]}
    )
    documents = {_CONTENTS: contents, _IMAGE: image_document(image), _DOCKERFILE: dockerfile}
    first = _Expected(
        name=_CONTENTS, sha256=hashlib.sha256(contents).hexdigest(), size_bytes=len(contents)
    )
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one in (first, *expected):
            entry = tarfile.TarInfo(one.name)
            entry.size = one.size_bytes
            if one.name in documents:
                tar.addfile(entry, BytesIO(documents[one.name]))
                continue
            path = tar_path(store, image) if one.name == _ROOT else pool.path_of(one.sha256)
            with path.open("rb") as source:
                read = _HashedReading(source)
                tar.addfile(entry, cast("IO[bytes]", read))
            if read.sha256.hexdigest() != one.sha256:
                raise failed(
                    "damaged",
                    f"{one.name} of the image {image.sha256[:12]} is damaged",
                    f"anvil image remove {image.sha256[:12]}, and build or import it again",
                )


class _HashedReading:
    """A file to read that hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.sha256.update(content)
        return content


def import_image(store: Store, source: Path, tell: Callable[[str], None]) -> Image:
    """Take an export into the store. Nothing is left behind where it fails.

    Raises AnvilError: exit 2 for a file that is not a whole export of this format, exit 1 where
    the store cannot be written.
    """
    with _unpacked_export(store, source, tell, is_pool_only=False) as (image, folder):
        tell("looking through the root file system")
        try:
            with explained(str(folder)):
                check_root_tar(folder / _ROOT)
        except RootError as error:
            raise wrong(
                "root", f"the root file system in it {error}", file=str(source), hint=_AGAIN
            ) from error
        _keep_pool(store, image, folder)
        keep_image(store, image, folder / _ROOT)
    return image


def import_pool(store: Store, source: Path, tell: Callable[[str], None]) -> Image:
    """Take packages and wheels of an export, a file or an unpacked folder, into the pool.

    The image that they made is returned; its root is not taken. Raises AnvilError as
    `import_image` does.
    """
    with _unpacked_export(store, source, tell, is_pool_only=True) as (image, folder):
        _keep_pool(store, image, folder)
    return image


def _keep_pool(store: Store, image: Image, folder: Path) -> None:
    pool = pool_of(store)
    with explained(str(pool.folder)):
        for name, sha256, _ in pool_files(image):
            if pool.find(sha256) is None:
                pool.keep(folder / "pool" / name)


@contextmanager
def _unpacked_export(
    store: Store, source: Path, tell: Callable[[str], None], *, is_pool_only: bool
) -> Iterator[tuple[Image, Path]]:
    """The checked files of an export in a folder of the store that goes away again."""
    root = images_root(store)
    with explained(str(root)):
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=root, prefix=UNFINISHED))
    try:
        with explained(str(root)):
            (folder / "pool").mkdir()
        tell(f"checking {source}")
        yield _take(_entries(source), folder, source, is_pool_only=is_pool_only), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(
    entries: Iterator[tuple[str, int, IO[bytes]]], folder: Path, source: Path, *, is_pool_only: bool
) -> Image:
    """Copy an export's entries into a folder, each checked; the image."""
    file = str(source)
    content = _document(entries, _CONTENTS, file)
    files = _read_contents(content, file)
    document = _document(entries, _IMAGE, file)
    try:
        image = read_image_document(document)
    except DocumentError as error:
        raise wrong("document", f"its {_IMAGE} {error}", file=file, hint=_AGAIN) from error
    dockerfile = _document(entries, _DOCKERFILE, file)
    expected = _expected(image, dockerfile)
    if files != expected:
        changed = next((a.name for a, b in zip(expected, files, strict=False) if a != b), _CONTENTS)
        raise wrong(
            "digest",
            f"its {_CONTENTS} says another digest or size of {changed} than {_IMAGE} and the file",
            file=file,
            hint=_AGAIN,
        )
    for one in expected[2:]:
        if one.name == _ROOT and is_pool_only:
            return image
        name, size_bytes, data = _next(entries, file)
        if name != one.name:
            raise _unexpected(name, one.name, file)
        with explained(str(folder)):
            sha256 = _copy(data, folder / one.name, size_bytes, file)
        if (sha256, size_bytes) != (one.sha256, one.size_bytes):
            raise wrong(
                "digest",
                f"{one.name} has the sha256 {sha256} ({size_bytes} bytes), and {one.sha256} "
                f"({one.size_bytes} bytes) was exported",
                file=file,
                hint=_AGAIN,
            )
    extra = next(entries, None)
    if extra is not None:
        raise _unexpected(extra[0], "nothing more", file)
    return image


def _read_contents(content: bytes, file: str) -> list[_Expected]:
    try:
        value = json.loads(content)
        found = value["format"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise wrong(
            "document", f"its {_CONTENTS} is no document of Anvil's", file=file, hint=_AGAIN
        ) from error
    if found != FORMAT:
        raise wrong(
            "format",
            f"it is an export of format {found!r}, and this Anvil reads format {FORMAT}",
            file=file,
            hint="export it with this version of Anvil, or import it with the one that made it",
        )
    try:
        return [
            _Expected(name=name, sha256=sha256, size_bytes=size_bytes)
            for name, sha256, size_bytes in value["files"]
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise wrong(
            "document", f"its {_CONTENTS} lists no files", file=file, hint=_AGAIN
        ) from error


def _document(entries: Iterator[tuple[str, int, IO[bytes]]], expected: str, file: str) -> bytes:
    name, size_bytes, data = _next(entries, file)
    if name != expected:
        raise _unexpected(name, expected, file)
    if size_bytes > _MAX_DOCUMENT_BYTES:
        raise wrong("document", f"its {name} is too long", file=file, hint=_AGAIN)
    return b"".join(_chunks(data, size_bytes, file))


def _next(entries: Iterator[tuple[str, int, IO[bytes]]], file: str) -> tuple[str, int, IO[bytes]]:
    try:
        found = next(entries, None)
    except OSError as error:
        raise _unreadable(file, error) from error
    if found is None:
        raise _cut_off(file)
    return found


def _copy(data: IO[bytes], path: Path, size_bytes: int, file: str) -> str:
    hasher = hashlib.sha256()
    with path.open("xb") as target:
        for chunk in _chunks(data, size_bytes, file):
            hasher.update(chunk)
            target.write(chunk)
    return hasher.hexdigest()


def _chunks(data: IO[bytes], size_bytes: int, file: str) -> Iterator[bytes]:
    left = size_bytes
    while left:
        try:
            chunk = data.read(min(_CHUNK_BYTES, left))
        except tarfile.TarError as error:
            raise _cut_off(file) from error
        except OSError as error:
            raise _unreadable(file, error) from error
        if not chunk:
            raise _cut_off(file)
        yield chunk
        left -= len(chunk)


def _entries(source: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """(name, size, content) of a tar's files or, of a folder, those of an unpacked export."""
    file = str(source)
    if source.is_dir():
        yield from _folder_entries(source)
        return
    try:
        with source.open("rb") as opened:
            yield from _tar_entries(opened, file)
    except tarfile.TarError as error:
        what = _cut_off(file) if "unexpected end" in str(error) else None
        raise what or wrong(
            "no-export",
            f"it is no export of an image: {error}",
            file=file,
            hint="`anvil image export FILE` writes one, without compression",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error


def _tar_entries(opened: IO[bytes], file: str) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(fileobj=opened, mode="r:", errorlevel=2) as tar:
        for entry in tar:
            parts = entry.name.split("/")
            if entry.name.startswith("/") or ".." in parts:
                raise wrong(
                    "path",
                    f"it holds {entry.name!r}, which leads out of it",
                    file=file,
                    hint=_AGAIN,
                )
            if entry.issym() or entry.islnk():
                raise wrong(
                    "path",
                    f"it holds a link, {entry.name!r} to {entry.linkname!r}, and exports hold none",
                    file=file,
                    hint=_AGAIN,
                )
            data = tar.extractfile(entry) if entry.isreg() else None
            if data is None:
                raise wrong(
                    "path", f"it holds {entry.name!r}, which is no file", file=file, hint=_AGAIN
                )
            yield entry.name, entry.size, data


def _folder_entries(source: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    pool = source / "pool"
    names = [_CONTENTS, _IMAGE, _DOCKERFILE]
    with suppress(OSError):
        names += sorted(f"pool/{path.name}" for path in pool.iterdir())
    for name in names:
        path = source / name
        try:
            if path.exists() and not path.is_file():
                raise wrong(
                    "entry",
                    f"{path} is no file",
                    file=str(source),
                    hint="take it away: a pool holds files that `anvil image export` wrote",
                )
            with path.open("rb") as opened:
                yield name, path.stat().st_size, opened
        except OSError as error:
            raise _unreadable(str(path), error) from error


def _unreadable(file: str, error: OSError) -> Exception:
    return wrong(
        "unreadable",
        f"cannot read it: {error.strerror or error}",
        file=file,
        hint="name a file that `anvil image export FILE` wrote",
    )


def _cut_off(file: str) -> Exception:
    return wrong("truncated", "it is cut off before its end", file=file, hint=_AGAIN)


def _unexpected(found: str, expected: str, file: str) -> Exception:
    return wrong(
        "no-export",
        f"it holds {found!r} where an export holds {expected}",
        file=file,
        hint="`anvil image export FILE` writes exports",
    )
