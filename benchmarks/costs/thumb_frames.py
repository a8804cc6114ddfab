"""The stack of functions that were written in assembly, and so are on no record."""

from __future__ import annotations

import struct

_PUSH_16 = (0xFE00, 0xB400)  # (mask, bits): push {r0-r7, lr}
_SUB_SP_16 = (0xFF80, 0xB080)  # sub sp, #4 * imm7
_PUSH_32 = (0xFFFF, 0xE92D)  # push.w, or stmdb sp!, with the list behind
_VPUSH = (0xFFBF, 0xED2D)  # vpush: the words are the low byte behind
_SUB_SP_32 = (0xFBFF, 0xF1AD)  # sub.w sp, sp, #constant
_SUBW_SP = (0xFBFF, 0xF2AD)  # subw sp, sp, #imm12
_WIDE = (0b11101, 0b11110, 0b11111)  # the first five bits of an instruction of 32


def frame_bytes(code: bytes) -> int:
    """A bound of what Thumb code takes: all that any of its instructions pushes or subtracts.

    Data among the code may look like such an instruction, which makes the bound larger.
    """
    units = struct.unpack(f"<{len(code) // 2}H", code[: len(code) // 2 * 2])
    total = at = 0
    while at < len(units):
        first = units[at]
        is_wide = first >> 11 in _WIDE and at + 1 < len(units)
        total += _wide(first, units[at + 1]) if is_wide else _narrow(first)
        at += 2 if is_wide else 1
    return total


def _narrow(unit: int) -> int:
    if _is(unit, _PUSH_16):
        return 4 * (unit & 0x1FF).bit_count()
    return 4 * (unit & 0x7F) if _is(unit, _SUB_SP_16) else 0


def _wide(first: int, second: int) -> int:
    if _is(first, _PUSH_32):
        return 4 * second.bit_count()
    if _is(first, _VPUSH) and second & 0x0E00 == 0x0A00:
        return 4 * (second & 0xFF)
    if second & 0x8F00 != 0x0D00:  # not to sp
        return 0
    value = (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    if _is(first, _SUBW_SP):
        return value
    return _expanded(value) if _is(first, _SUB_SP_32) else 0


def _is(unit: int, pattern: tuple[int, int]) -> bool:
    return unit & pattern[0] == pattern[1]


def _expanded(value: int) -> int:
    """A modified immediate constant (ARMv7-M ARM, A5.3.2), but for its repeated bytes."""
    if value >> 10 == 0:
        return value & 0xFF
    by = value >> 7
    return (0x80 | value & 0x7F) << (32 - by) & 0xFFFFFFFF
