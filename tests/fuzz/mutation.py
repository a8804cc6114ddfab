"""Seeded damage to bytes, aimed at formats of 32-bit offsets, lengths and indices."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Limits of the integer types, small indices, and offsets that point just past something.
_EXTREMES = (
    *range(16),
    *(2**bits + change for bits in (7, 8, 15, 16, 24, 31, 32) for change in (-2, -1, 0, 1)),
    *(-change for change in (1, 2, 4, 8)),
)
_FLOATS = (0.0, -0.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))


def mutated(content: bytes, donors: Sequence[bytes], rng: random.Random) -> bytes:
    """`content` after one to four random changes; `donors` lend bytes for splices."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if damaged:
            rng.choice(_CHANGES)(damaged, donors, rng)
    return bytes(damaged)


def _flip_bit(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _set_byte(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    content[rng.randrange(len(content))] = rng.choice((0, 1, 2, 127, 128, 255))


def _set_word(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    _overwrite(content, struct.pack("<I", rng.choice(_EXTREMES) % 2**32), rng)


def _set_short(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    _overwrite(content, struct.pack("<H", rng.choice(_EXTREMES) % 2**16), rng)


def _set_float(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    _overwrite(content, struct.pack("<f", rng.choice(_FLOATS)), rng)


def _add_to_word(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    """Move an offset to a neighbour, or change a length or an index by a little."""
    if len(content) >= 4:
        position = rng.randrange(len(content) // 4) * 4
        (value,) = struct.unpack_from("<I", content, position)
        struct.pack_into(
            "<I", content, position, (value + rng.choice((-8, -4, -1, 1, 4, 8))) % 2**32
        )


def _copy_word(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    """Give one field the value of another."""
    source = rng.randrange(len(content)) & ~3
    _overwrite(content, bytes(content[source : source + 4]), rng)


def _truncate(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def _splice(content: bytearray, donors: Sequence[bytes], rng: random.Random) -> None:
    donor = rng.choice(donors)
    start = rng.randrange(len(donor)) & ~3
    _overwrite(content, donor[start : start + rng.choice((4, 16, 64, 256))], rng)


def _insert(content: bytearray, donors: Sequence[bytes], rng: random.Random) -> None:
    donor = rng.choice(donors)
    start = rng.randrange(len(donor))
    position = rng.randrange(len(content))
    content[position:position] = donor[start : start + rng.choice((1, 4, 32))]


def _delete(content: bytearray, _donors: Sequence[bytes], rng: random.Random) -> None:
    position = rng.randrange(len(content))
    del content[position : position + rng.choice((1, 4, 32))]


def _overwrite(content: bytearray, part: bytes, rng: random.Random) -> None:
    """Put `part` at a position aligned to its size, without changing the length."""
    step = 2 if len(part) == 2 else 4
    position = rng.randrange(len(content)) // step * step
    part = part[: len(content) - position]
    content[position : position + len(part)] = part


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...] = (
    _flip_bit,
    _set_byte,
    _set_word,
    _set_word,
    _set_short,
    _set_float,
    _add_to_word,
    _copy_word,
    _truncate,
    _splice,
    _insert,
    _delete,
)
