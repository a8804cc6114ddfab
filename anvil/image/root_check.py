"""Whether a root.tar that comes from elsewhere is what Anvil writes: nothing leads out of it."""

from __future__ import annotations

import posixpath
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# By type; what `write_root_tar` gives.
_LINK_MODES, _FOLDER_MODES, _FILE_MODES = {0o777}, {0o755}, {0o644, 0o755}


class RootError(ValueError):
    """What is wrong with a root.tar, in a sentence's form."""


def check_root_tar(path: Path) -> None:
    """Raise RootError for a tar that is not as `write_root_tar` writes them.

    Entries are sorted, each path once; the folder of each is there before it, and is no link; no
    link leads above the root; there are no devices, no other owners, no special modes.
    """
    kinds: dict[str, bytes] = {}
    former = ""
    try:
        with tarfile.open(path, "r:", errorlevel=2) as tar:
            for entry in tar:
                name = entry.name
                parts = name.split("/")
                if name.startswith("/") or ".." in parts:
                    raise RootError(f"holds {name!r}, which leads out of it")
                if name <= former or "." in parts or "" in parts:
                    raise RootError(f"holds {name!r} out of order or written otherwise")
                folder = posixpath.dirname(name)
                if folder and kinds.get(folder) != tarfile.DIRTYPE:
                    raise RootError(f"holds {name!r}, whose folder is none of its own")
                _check_entry(entry, kinds)
                kinds[name] = tarfile.REGTYPE if entry.isreg() else entry.type
                former = name
    except (tarfile.TarError, EOFError) as error:
        raise RootError(f"is no whole tar: {error}") from error


def _check_entry(entry: tarfile.TarInfo, kinds: dict[str, bytes]) -> None:
    name = entry.name
    if entry.issym():
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.linkname))
        if target == ".." or target.startswith("../"):
            raise RootError(f"holds the link {name!r} to {entry.linkname!r}, which leads out of it")
    elif entry.islnk():
        if kinds.get(entry.linkname) != tarfile.REGTYPE:
            raise RootError(
                f"holds the link {name!r} to {entry.linkname!r}, which is no file of it"
            )
    elif not (entry.isreg() or entry.isdir()):
        raise RootError(f"holds {name!r}, which is neither a file nor a folder nor a link")
    modes = _LINK_MODES if entry.issym() else _FOLDER_MODES if entry.isdir() else _FILE_MODES
    if entry.uid or entry.gid or entry.mode not in modes:
        raise RootError(f"holds {name!r} with an owner or a mode of its own")
