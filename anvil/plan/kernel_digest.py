"""What a kernel consists of, as a digest: when it changes, what was measured is out of date."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anvil.core.digest import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")
_DEFINED = re.compile(r"#\s*define\s+(\w+)|\}\s*(\w+)\s*;|(\w+)\s*\(")


def kernel_digest(source: bytes, headers: Iterable[bytes]) -> str:
    """SHA-256 of a source with the definitions of the headers that it uses, directly or not.

    Comments, layout and what a header holds for other kernels stay out of it.
    """
    text = _plain(source)
    used = set(_WORD.findall(text))
    definitions = [item for header in headers for item in _definitions(_plain(header))]
    chosen: set[int] = set()
    while True:
        found = {n for n, (name, _) in enumerate(definitions) if name in used} - chosen
        if not found:
            break
        chosen |= found
        for number in found:
            used |= set(_WORD.findall(definitions[number][1]))
    return key_of([_words(text), [_words(definitions[number][1]) for number in sorted(chosen)]])


def _plain(content: bytes) -> str:
    text = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return _COMMENT.sub(" ", text.replace("\\\n", " "))


def _words(text: str) -> str:
    return " ".join(text.split())


def _definitions(text: str) -> list[tuple[str, str]]:
    """(name, text) of each macro, type and function of a header, comments already gone."""
    found = []
    item: list[str] = []
    depth = 0
    for line in text.splitlines():
        if line.lstrip().startswith("#") and not item:
            match = re.match(r"\s*#\s*define\s+(\w+)", line)
            if match:
                found.append((match[1], line))
            continue
        if not line.strip() and not item:
            continue
        item.append(line)
        depth += line.count("{") - line.count("}")
        if depth == 0 and line.rstrip().endswith((";", "}")):
            whole = "\n".join(item)
            match = _DEFINED.search(whole)
            if whole.lstrip().startswith("typedef"):
                match = re.search(r"()()(\w+)\s*;\s*$", whole)
            if match:
                found.append((next(name for name in match.groups() if name), whole))
            item = []
    return found
