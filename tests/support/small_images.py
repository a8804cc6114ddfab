"""Images small enough for a test, made by hand or by the real tools."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

from anvil.cache.store import Store
from anvil.core.image import Image, Package, Wheel
from anvil.image.definition import Definition
from anvil.image.root_tar import write_root_tar
from anvil.image.store import keep_image, pool_of
from anvil.pipeline.images import current_definition

# Its name, its kind, its content or what it links to, and its mode.
Entry = tuple[str, bytes, bytes | str, int]


def write_tar(path: Path, *entries: Entry) -> Path:
    """A tar as a packer other than Anvil's writes it: owners, times and order as they come."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for number, (name, kind, content, mode) in enumerate(entries):
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.mode = mode
            entry.uid = entry.gid = 1000 + number
            entry.mtime = 1_700_000_000 + number
            if isinstance(content, str):
                entry.linkname = content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


def small_definition() -> Definition:
    """The definition with nothing made, left out or chosen among."""
    return replace(
        current_definition(), links=(), folders=("tmp",), files=(), multilibs=(), leave_out=("var",)
    )


def small_image(store: Store, folder: Path, *, text: bytes = b"hello\n") -> Image:
    """An image of one file, one made-up package and one made-up wheel, kept in `store`."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = write_tar(
        folder / "unpacked.tar",
        ("./usr", tarfile.DIRTYPE, b"", 0o700),
        ("./usr/hello", tarfile.REGTYPE, text, 0o600),
        ("./usr/link", tarfile.SYMTYPE, "hello", 0o777),
    )
    tar = folder / "root.tar"
    sha256, size_bytes = write_root_tar(unpacked, small_definition(), tar)
    parts = {}
    for name in ("deb", "whl"):
        content = f"the content of a {name}\n".encode()
        (folder / name).write_bytes(content)
        pool_of(store).keep(folder / name)
        parts[name] = (hashlib.sha256(content).hexdigest(), len(content))
    image = Image(
        sha256=sha256,
        size_bytes=size_bytes,
        definition=small_definition().digest,
        suite="bookworm",
        architecture="amd64",
        packages=(
            Package(
                name="hello",
                version="1:2.10-3",
                architecture="amd64",
                sha256=parts["deb"][0],
                size_bytes=parts["deb"][1],
            ),
        ),
        wheels=(
            Wheel(
                name="hello",
                version="1.0",
                file="hello-1.0-py3-none-any.whl",
                sha256=parts["whl"][0],
                size_bytes=parts["whl"][1],
            ),
        ),
    )
    keep_image(store, image, tar)
    return image
