"""The root as a tar that depends on nothing but what is in it."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tarfile
from io import BytesIO
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.image.definition import Definition, Multilibs


class Selection:
    """Which paths of the unpacked packages belong into the root."""

    def __init__(self, definition: Definition) -> None:
        # `*` stops at a slash, as in a shell; a match covers all that lies below.
        patterns = [_translated(pattern) for pattern in definition.leave_out]
        self._leave_out = re.compile("(?:" + "|".join(patterns) + r")(?:/.*)?\Z", re.DOTALL)
        self._multilibs = definition.multilibs

    def keeps(self, path: str) -> bool:
        """Whether a path, relative to the root, stays."""
        if self._leave_out.match(path):
            return False
        return not any(_is_other_library(one, path) for one in self._multilibs)


def _translated(pattern: str) -> str:
    return "/".join(
        fnmatch.translate(part).removesuffix(r"\Z").replace(".*", "[^/]*")
        for part in pattern.split("/")
    )


def _is_other_library(multilibs: Multilibs, path: str) -> bool:
    inner = path.removeprefix(f"{multilibs.under}/")
    if inner == path or inner.split("/")[0] not in multilibs.of:
        return False
    return not any(
        f"{inner}/".startswith(f"{kept}/") or f"{kept}/".startswith(f"{inner}/")
        for kept in multilibs.keep
    )


def write_root_tar(unpacked: Path, definition: Definition, target: Path) -> tuple[str, int]:
    """Write the canonical tar of an unpacked root; its SHA-256 and its size in bytes.

    unpacked: the tar that mmdebstrap wrote. Entries are sorted by path, belong to root, carry one
    time and one of three modes; devices, pipes and sockets are left out; a folder that nothing is
    left in goes, unless the definition names it. Of files with several names the first has the
    content.
    """
    selection = Selection(definition)
    with tarfile.open(unpacked) as source, target.open("wb") as file:
        kept = _kept(source, selection)
        made = _made(definition)
        folders = _folders([*kept, *made, *definition.folders]) | set(definition.folders)
        hashing = _Hashing(file)
        with tarfile.open(
            fileobj=cast("IO[bytes]", hashing), mode="w", format=tarfile.PAX_FORMAT
        ) as out:
            first_name: dict[str, str] = {}  # what mmdebstrap's tar calls a file -> our first name
            for path in sorted({*kept, *made, *folders}):
                if path in made:
                    entry, content = made[path]
                    out.addfile(_canonical(entry, path, definition.time_s), BytesIO(content))
                elif path in folders:
                    entry = tarfile.TarInfo(path)
                    entry.type = tarfile.DIRTYPE
                    out.addfile(_canonical(entry, path, definition.time_s))
                else:
                    _add(
                        kept[path],
                        path,
                        source=source,
                        out=out,
                        names=first_name,
                        time_s=definition.time_s,
                    )
        return hashing.sha256.hexdigest(), hashing.size_bytes


def _add(
    entry: tarfile.TarInfo,
    path: str,
    *,
    source: tarfile.TarFile,
    out: tarfile.TarFile,
    names: dict[str, str],
    time_s: int,
) -> None:
    if entry.issym():
        out.addfile(_canonical(entry, path, time_s))
        return
    original = _relative(entry.linkname) if entry.islnk() else path
    if original in names:
        linked = tarfile.TarInfo(path)
        linked.type = tarfile.LNKTYPE
        linked.linkname = names[original]
        linked.mode = entry.mode
        out.addfile(_canonical(linked, path, time_s))
        return
    names[original] = path
    data = source.extractfile(entry)
    whole = source.getmember(entry.linkname) if entry.islnk() else entry
    copy = tarfile.TarInfo(path)
    copy.size = whole.size
    copy.mode = whole.mode
    out.addfile(_canonical(copy, path, time_s), data)


def _kept(source: tarfile.TarFile, selection: Selection) -> dict[str, tarfile.TarInfo]:
    """Files and links by path."""
    return {
        path: entry
        for entry in source
        if (entry.isreg() or entry.issym() or entry.islnk())
        and selection.keeps(path := _relative(entry.name))
    }


def _made(definition: Definition) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """What the definition itself puts into the root."""
    made = {}
    for path, text in definition.files:
        content = text.encode()
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        made[path] = (entry, content)
    for path, linked in definition.links:
        entry = tarfile.TarInfo(path)
        entry.type = tarfile.SYMTYPE
        entry.linkname = linked
        made[path] = (entry, b"")
    return made


def _folders(paths: list[str]) -> set[str]:
    return {
        "/".join(parts[:count])
        for path in paths
        for parts in [path.split("/")]
        for count in range(1, len(parts))
    }


def _relative(name: str) -> str:
    return name.removeprefix("./").strip("/")


def _canonical(entry: tarfile.TarInfo, path: str, time_s: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(path)
    made.type = entry.type
    made.linkname = entry.linkname
    made.size = entry.size
    made.mtime = time_s
    if entry.issym():
        made.mode = 0o777
    else:
        made.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return made


class _Hashing:
    """A file to write to that hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        self.size_bytes += len(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self.size_bytes
