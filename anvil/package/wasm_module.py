"""What a linked WebAssembly module says of its memory; WebAssembly core specification, 5.5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GLOBALS, _DATA = 6, 11
_I32, _MUTABLE, _I32_CONST = 0x7F, 1, 0x41
_HEADER_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleMemory:
    """Bytes of the linear memory that the module sets up."""

    data: int  # what is copied from the file: constants, since WebAssembly has no other place
    stack: int | None  # it lies below everything, so that its pointer starts at its size


def sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, content) of each section."""
    at = _HEADER_BYTES
    while at < len(module):
        kind = module[at]
        n_bytes, start = unsigned(module, at + 1)
        yield kind, module[start : start + n_bytes]
        at = start + n_bytes


def unsigned(content: bytes, at: int) -> tuple[int, int]:
    """The LEB128 number at an offset, and the offset behind it; IndexError where it is cut off."""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def module_memory(module: bytes) -> ModuleMemory:
    """What a module that a linker made with its stack first holds in memory."""
    data = 0
    stack = None
    for kind, content in sections(module):
        if kind == _GLOBALS and stack is None:
            stack = _first_global(content)
        elif kind == _DATA:
            data = _data_bytes(content)
    return ModuleMemory(data=data, stack=stack)


def _first_global(content: bytes) -> int | None:
    """The initial value of the first global, which is the stack pointer."""
    n_globals, at = unsigned(content, 0)
    if not n_globals or content[at : at + 3] != bytes((_I32, _MUTABLE, _I32_CONST)):
        return None
    return unsigned(content, at + 3)[0]


def _data_bytes(content: bytes) -> int:
    """Bytes of all segments, each at a constant offset of the first memory."""
    n_segments, at = unsigned(content, 0)
    total = 0
    for _ in range(n_segments):
        flags, at = unsigned(content, at)
        if flags != 0 or content[at] != _I32_CONST:
            msg = f"a data segment of kind {flags}, which no linker of ours writes"
            raise ValueError(msg)
        _, at = unsigned(content, at + 1)
        n_bytes, at = unsigned(content, at + 1)  # behind the end of the offset's expression
        total += n_bytes
        at += n_bytes
    return total
