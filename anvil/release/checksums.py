"""SHA256SUMS: a list that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from anvil.release.files import CHECKSUMS, PROVENANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sha256(content: bytes) -> str:
    """The digest in hex."""
    return hashlib.sha256(content).hexdigest()


def write_checksums(digests: Mapping[str, str]) -> bytes:
    r"""The list of {path: sha256}, without itself and the provenance, which covers it.

    >>> write_checksums({"b": "0" * 64, "SHA256SUMS": ""})[-6:]
    b'00  b\n'
    """
    lines = [
        f"{digests[path]}  {path}\n"
        for path in sorted(digests)
        if path not in {CHECKSUMS, PROVENANCE}
    ]
    return "".join(lines).encode()


def read_checksums(content: bytes) -> dict[str, str] | None:
    """{path: sha256}; None for anything that `write_checksums` would not write."""
    try:
        lines = content.decode().split("\n")[:-1]
    except UnicodeDecodeError:
        return None
    found = [_LINE.fullmatch(line) for line in lines]
    digests = {match[2]: match[1] for match in found if match}
    return digests if write_checksums(digests) == content else None
