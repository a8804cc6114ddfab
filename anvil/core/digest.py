"""Digests and the canonical form that they are taken of.

A digest follows the Remote Execution API: the SHA-256 of the bytes and their number.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Digest:
    """The identity of a blob: SHA-256 in lower-case hex, and its size in bytes."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if len(self.sha256) != 64:
            msg = f"a SHA-256 has 64 hex digits, found {len(self.sha256)}: {self.sha256!r}"
            raise ValueError(msg)
        if self.size_bytes < 0:
            msg = f"a size is at least 0, found {self.size_bytes}"
            raise ValueError(msg)

    def __str__(self) -> str:
        return f"{self.sha256}/{self.size_bytes}"


def digest_of(content: bytes) -> Digest:
    """The digest of `content`."""
    return Digest(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def canonical_json(value: Any) -> bytes:  # noqa: ANN401  any JSON value
    """UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes.

    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def key_of(value: Any) -> str:  # noqa: ANN401  any JSON value
    """The SHA-256, in hex, of the canonical form of a JSON value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
