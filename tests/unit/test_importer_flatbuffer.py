"""The FlatBuffers reader on hand-made bytes: every damage is named, none is followed."""

from __future__ import annotations

import struct

import pytest

from anvil.importers.flatbuffer import Buffer, DamagedFileError, Table

# A file of one table with three fields: an int32 of 7, absent, a vector of int32 {5, -6}.
_VTABLE = 4
_TABLE = 14
_VECTOR = 26
SOUND = struct.pack("<IHHHHH", _TABLE, 10, 12, 4, 0, 8) + struct.pack(
    "<iiIIii", _TABLE - _VTABLE, 7, _VECTOR - (_TABLE + 8), 2, 5, -6
)


def damaged(position: int, layout: str, value: int) -> bytes:
    """`SOUND` with another number at a position."""
    content = bytearray(SOUND)
    struct.pack_into(layout, content, position, value)
    return bytes(content)


def root(content: bytes) -> Table:
    return Table.root(Buffer(content))


def check_refused(content: bytes, path: str, message: str) -> None:
    """Reading the root's three fields ends with this error."""
    with pytest.raises(DamagedFileError) as caught:
        read(content)
    assert (caught.value.path, caught.value.message) == (path, message)


def read(content: bytes) -> tuple[int, int, tuple[int, ...] | None]:
    table = root(content)
    return (
        table.integer(0, "number", "i"),
        table.integer(1, "missing", "i", -3),
        table.integers(2, "vector", "i"),
    )


def test_a_sound_file() -> None:
    assert read(SOUND) == (7, -3, (5, -6))
    assert root(SOUND).real(1, "missing", 0.5) == 0.5
    assert root(SOUND).integers(5, "beyond the vtable", "i") is None
    assert root(SOUND).octets(5, "beyond the vtable") == b""
    assert root(SOUND).table(1, "missing") is None
    assert root(SOUND).tables(1, "missing") == ()
    assert root(SOUND).has(0, "number")
    assert not root(SOUND).has(1, "missing")


@pytest.mark.parametrize("n_bytes", range(len(SOUND)))
def test_every_truncation_is_refused(n_bytes: int) -> None:
    with pytest.raises(DamagedFileError):
        read(SOUND[:n_bytes])


@pytest.mark.parametrize(
    ("position", "layout", "value", "path", "message"),
    [
        (
            0,
            "<I",
            2**32 - 1,
            "the outermost table",
            "needs the bytes 4294967295 to 4294967299, and the file has 38",
        ),
        (0, "<I", 0, "the file's first offset", "holds the offset 0, which leads nowhere"),
        (
            _TABLE,
            "<i",
            _TABLE + 6,
            "the outermost table",
            "points 6 bytes before the file's first byte",
        ),
        (
            _TABLE,
            "<i",
            -(2**31),
            "the outermost table",
            "needs the bytes 2147483662 to 2147483664, and the file has 38",
        ),
        (_VTABLE, "<H", 2, "the outermost table", "a table of 12 bytes with a vtable of 2"),
        (_VTABLE, "<H", 9, "the outermost table", "a table of 12 bytes with a vtable of 9"),
        (
            _VTABLE,
            "<H",
            1000,
            "the outermost table",
            "needs the bytes 4 to 1004, and the file has 38",
        ),
        (_VTABLE + 2, "<H", 3, "the outermost table", "a table of 3 bytes with a vtable of 10"),
        (
            _VTABLE + 2,
            "<H",
            100,
            "the outermost table",
            "needs the bytes 14 to 114, and the file has 38",
        ),
        (_VTABLE + 4, "<H", 2, "number", "lies at byte 2 of a table of 12 bytes and takes 4"),
        (_VTABLE + 4, "<H", 9, "number", "lies at byte 9 of a table of 12 bytes and takes 4"),
        (_TABLE + 8, "<I", 3, "vector", "holds the offset 3, which leads nowhere"),
        (
            _TABLE + 8,
            "<I",
            2**31,
            "vector",
            "needs the bytes 2147483670 to 2147483674, and the file has 38",
        ),
        (_VECTOR, "<I", 3, "vector", "needs the bytes 30 to 42, and the file has 38"),
        (
            _VECTOR,
            "<I",
            2**32 - 1,
            "vector",
            "needs the bytes 30 to 17179869210, and the file has 38",
        ),
    ],
)
def test_a_number_that_leads_astray(
    position: int, layout: str, value: int, path: str, message: str
) -> None:
    check_refused(damaged(position, layout, value), path, message)


def test_reading_one_part_again_and_again_is_refused() -> None:
    """A vector of 1,000 numbers may be read several times, and not without end."""
    table = root(SOUND[:_VECTOR] + struct.pack("<I1000i", 1000, *range(1000)))
    for _ in range(4):
        assert table.integers(2, "vector", "i") == tuple(range(1000))

    def read_twenty_times() -> None:
        for _ in range(20):
            table.integers(2, "vector", "i")

    with pytest.raises(DamagedFileError, match="overlap over and over again"):
        read_twenty_times()
