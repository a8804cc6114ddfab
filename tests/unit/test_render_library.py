"""Numbers and names on their way into C."""

from __future__ import annotations

import math
import random
import struct

import pytest

from anvil.render.library import _comment, _integer_literal, float_literal


def _as_float32(value: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return float(rounded)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, 3e38, 1e-45, 1.1754944e-38, 1 / 255, 16777216.0, -2.5e-7]
)
def test_a_float_literal_is_exact(value: float) -> None:
    single = _as_float32(value)
    literal = float_literal(single)
    assert literal.endswith("f")
    assert _as_float32(float(literal[:-1])) == single
    assert math.copysign(1, float(literal[:-1])) == math.copysign(1, single)
    assert "." in literal or "e" in literal


def test_random_float_literals_are_exact() -> None:
    rng = random.Random(1)
    for _ in range(20_000):
        (value,) = struct.unpack("<f", rng.randbytes(4))
        if math.isfinite(value):
            assert _as_float32(float(float_literal(value)[:-1])) == value


def test_the_least_integer_is_an_int() -> None:
    assert _integer_literal(-(2**31)) == "(-2147483647 - 1)"
    assert _integer_literal(-128) == "-128"


@pytest.mark.parametrize("name", ["*/ int x; /*", "a\nb", "??/", "\\", "ü", "a*/*/b"])
def test_a_name_cannot_leave_its_comment(name: str) -> None:
    comment = _comment(name)
    assert "*/" not in comment
    assert "\n" not in comment
