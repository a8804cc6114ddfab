"""JSON of unknown origin: bounded, without duplicate keys, and in one spelling."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_BYTES = 64 << 20
_MAX_DEPTH = 64
# Possessive: a long text would otherwise leave as many places to come back to.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


class JsonError(ValueError):
    """The text is refused; the message goes on from the document's name."""


def read_json(content: bytes) -> Any:  # noqa: ANN401  any JSON value
    """The value of a JSON text. Raises JsonError, and nothing else.

    >>> read_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    anvil.release.strict_json.JsonError: has the key 'a' twice
    """
    if len(content) > MAX_BYTES:
        msg = f"has {len(content):,} bytes, more than {MAX_BYTES:,}"
        raise JsonError(msg)
    # Python's own parser ends in a RecursionError, which must not depend on who calls.
    if _depth(content) > _MAX_DEPTH:
        msg = f"is nested more than {_MAX_DEPTH} deep"
        raise JsonError(msg)
    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_short_integer,
        )
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        msg = f"is not UTF-8 at byte {error.start}"
        raise JsonError(msg) from None
    except ValueError as error:
        msg = f"is not JSON: {error}"
        raise JsonError(msg) from None


def _depth(content: bytes) -> int:
    deepest = depth = 0
    for match in _BRACKETS.finditer(_STRINGS.sub(b"", content)):
        depth += 1 if match[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"has the key {twice[:80]!r} twice"
        raise JsonError(msg)
    return found


def _no_constant(word: str) -> None:
    msg = f"has {word}, which is not JSON"
    raise JsonError(msg)


def _short_integer(word: str) -> int:
    # int() refuses thousands of digits in words of its own.
    if len(word) > 20:
        msg = "has a number of more than 20 digits"
        raise JsonError(msg)
    return int(word)
