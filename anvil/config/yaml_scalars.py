"""What a plain scalar of YAML stands for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DIGITS = 20

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plain scalar has no value."""

    message: str
    hint: str | None = None


def resolve(text: str) -> str | int | float | bool | Refusal | None:
    """The value of a plain scalar, by YAML 1.2's core schema less what is ambiguous."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _LEADING_ZERO.fullmatch(text):
        hint = "write it without leading zeros, or 0x... for hexadecimal; put a text into quotes"
        return Refusal(f"{text[:40]} is octal to some readers of YAML, decimal to others", hint)
    for pattern, base in ((_INTEGER, 10), (_HEXADECIMAL, 16), (_OCTAL, 8)):
        if pattern.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                return Refusal(f"a number of {len(text)} characters is too long")
            return int(text.removeprefix("0o"), base)
    if _REAL.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else Refusal(f"{text[:40]} is too large a number")
    if _NOT_FINITE.fullmatch(text):
        return Refusal(f"{text} is no number that a configuration can hold")
    return text
