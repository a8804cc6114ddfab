"""A FlatBuffers reader that checks every offset, length and index before it follows it.

The format is at flatbuffers.dev, "Internals": all values are little-endian; a table begins
with the distance back to its vtable, whose entries say where each field lies; vectors and
strings begin with their length. The readers that flatc generates for Python trust the file,
and there is no verifier for Python: a damaged file gives them arbitrary exceptions, wrong
values or endless lists. This one raises `DamagedFileError` and nothing else.

Fields are named by slot: the position of the field in its schema's table, from 0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_OFFSET = 4  # bytes of an offset or of a length
_VTABLE_HEADER = 4  # a vtable begins with its own size and the table's, 2 bytes each
_MINIMUM_BUDGET = 4096


class DamagedFileError(Exception):
    """The file contradicts itself at `path`, such as `subgraphs[0].tensors[3].shape`."""

    def __init__(self, *, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(slots=True)
class Buffer:
    """A file's bytes, with a limit on the work that they may cause.

    Many offsets may lead to one vector, so that a small file can describe a structure that
    is quadratic in its size. Files that tools write hardly share anything, so reading more
    than several times the file's own size means that it was made to do harm.
    """

    content: bytes
    _budget: int = field(init=False)

    def __post_init__(self) -> None:
        self._budget = 8 * len(self.content) + _MINIMUM_BUDGET

    def spend(self, n_bytes: int, path: str) -> None:
        """Count bytes that are about to be read."""
        self._budget -= n_bytes
        if self._budget < 0:
            raise DamagedFileError(
                path=path, message="the file's parts overlap over and over again"
            )

    def require(self, position: int, n_bytes: int, path: str) -> None:
        """Raise unless `n_bytes` bytes from `position` lie in the file."""
        if position < 0:
            raise DamagedFileError(
                path=path, message=f"points {-position} bytes before the file's first byte"
            )
        if position + n_bytes > len(self.content):
            raise DamagedFileError(
                path=path,
                message=f"needs the bytes {position} to {position + n_bytes}, "
                f"and the file has {len(self.content)}",
            )

    def number(self, code: str, position: int, path: str) -> int | float:
        """The little-endian number at `position`; `code` as in the struct module."""
        layout = struct.Struct("<" + code)
        self.require(position, layout.size, path)
        value: int | float = layout.unpack_from(self.content, position)[0]
        return value

    def integer(self, code: str, position: int, path: str) -> int:
        """As `number`, for an integer's code."""
        return int(self.number(code, position, path))

    def follow(self, position: int, path: str) -> int:
        """The position that the offset at `position` leads to."""
        distance = self.integer("I", position, path)
        # A vtable's entry is an offset of 0 for an absent field; an offset that is there
        # always leads forward, past itself.
        if distance < _OFFSET:
            raise DamagedFileError(
                path=path, message=f"holds the offset {distance}, which leads nowhere"
            )
        return position + distance


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose header lies in the file; its fields are checked when they are read."""

    buffer: Buffer
    position: int
    path: str  # where the table stands, for messages; empty for the root
    _vtable: int
    _vtable_bytes: int
    _table_bytes: int

    @classmethod
    def root(cls, buffer: Buffer) -> Table:
        """The file's outermost table."""
        return cls._at(buffer, buffer.follow(0, "the file's first offset"), "")

    @classmethod
    def _at(cls, buffer: Buffer, position: int, path: str) -> Table:
        place = path or "the outermost table"
        vtable = position - buffer.integer("i", position, place)
        vtable_bytes = buffer.integer("H", vtable, place)
        buffer.require(vtable, max(vtable_bytes, _VTABLE_HEADER), place)
        table_bytes = buffer.integer("H", vtable + 2, place)
        if vtable_bytes < _VTABLE_HEADER or vtable_bytes % 2 or table_bytes < _OFFSET:
            raise DamagedFileError(
                path=place,
                message=f"a table of {table_bytes} bytes with a vtable of {vtable_bytes}",
            )
        buffer.require(position, table_bytes, place)
        buffer.spend(vtable_bytes, place)
        return cls(buffer, position, path, vtable, vtable_bytes, table_bytes)

    def name_of(self, name: str) -> str:
        """The path of one of the table's fields."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, slot: int, name: str) -> bool:
        """Whether the file holds the field."""
        return self._field(slot, name, 1) is not None

    def integer(self, slot: int, name: str, code: str, default: int = 0) -> int:
        """An integer, `default` where the file leaves it out."""
        position = self._field(slot, name, struct.calcsize("<" + code))
        if position is None:
            return default
        return self.buffer.integer(code, position, self.name_of(name))

    def real(self, slot: int, name: str, default: float = 0.0) -> float:
        """A float32, held exactly; `default` where the file leaves it out."""
        position = self._field(slot, name, 4)
        if position is None:
            return default
        return float(self.buffer.number("f", position, self.name_of(name)))

    def boolean(self, slot: int, name: str, *, default: bool = False) -> bool:
        """A bool; `default` where the file leaves it out."""
        return self.integer(slot, name, "B", int(default)) != 0

    def table(self, slot: int, name: str) -> Table | None:
        """A nested table, None where there is none. A union's value is one too."""
        position = self._field(slot, name, _OFFSET)
        if position is None:
            return None
        path = self.name_of(name)
        return Table._at(self.buffer, self.buffer.follow(position, path), path)

    def tables(self, slot: int, name: str) -> tuple[Table, ...]:
        """A vector of tables; empty where there is none."""
        path = self.name_of(name)
        start, length = self._vector(slot, name, _OFFSET)
        self.buffer.spend(length * _OFFSET, path)
        result = []
        for i in range(length):
            element = f"{path}[{i}]"
            position = self.buffer.follow(start + i * _OFFSET, element)
            result.append(Table._at(self.buffer, position, element))
        return tuple(result)

    def integers(self, slot: int, name: str, code: str) -> tuple[int, ...] | None:
        """A vector of integers; None where there is none."""
        return self._numbers(slot, name, code)

    def reals(self, slot: int, name: str) -> tuple[float, ...] | None:
        """A vector of float32, held exactly; None where there is none."""
        return self._numbers(slot, name, "f")

    def octets(self, slot: int, name: str) -> bytes:
        """A vector of bytes; empty where there is none."""
        start, length = self._vector(slot, name, 1)
        self.buffer.spend(length, self.name_of(name))
        return self.buffer.content[start : start + length]

    def text(self, slot: int, name: str) -> str:
        """A string; empty where there is none."""
        start, length = self._vector(slot, name, 1)
        if start == 0:
            return ""
        path = self.name_of(name)
        self.buffer.spend(length, path)
        octets = self.buffer.content[start : start + length]
        # The format ends strings with a zero byte for readers in C.
        if self.buffer.integer("B", start + length, path) != 0:
            raise DamagedFileError(path=path, message="does not end where its length says")
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            raise DamagedFileError(path=path, message=f"is not UTF-8: {octets[:60]!r}") from None

    def _numbers(self, slot: int, name: str, code: str) -> tuple[int, ...] | None:
        if not self.has(slot, name):
            return None
        n_bytes = struct.calcsize("<" + code)
        start, length = self._vector(slot, name, n_bytes)
        self.buffer.spend(length * n_bytes, self.name_of(name))
        return struct.unpack_from(f"<{length}{code}", self.buffer.content, start)

    def _field(self, slot: int, name: str, n_bytes: int) -> int | None:
        """Where a field lies, None where the file leaves it out."""
        entry = _VTABLE_HEADER + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return None
        path = self.name_of(name)
        distance = self.buffer.integer("H", self._vtable + entry, path)
        if distance == 0:
            return None
        if distance < _OFFSET or distance + n_bytes > self._table_bytes:
            raise DamagedFileError(
                path=path,
                message=f"lies at byte {distance} of a table of {self._table_bytes} bytes "
                f"and takes {n_bytes}",
            )
        return self.position + distance

    def _vector(self, slot: int, name: str, element_bytes: int) -> tuple[int, int]:
        """Where a vector's elements begin, and how many there are."""
        position = self._field(slot, name, _OFFSET)
        if position is None:
            return 0, 0
        path = self.name_of(name)
        vector = self.buffer.follow(position, path)
        length = self.buffer.integer("I", vector, path)
        start = vector + _OFFSET
        self.buffer.require(start, length * element_bytes, path)
        return start, length
