"""Quantities with units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anvil.core.units import (
    BYTE_UNITS,
    HERTZ_UNITS,
    SECOND_UNITS,
    parse_bytes,
    parse_hertz,
    parse_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("0 B", 0),
        ("1 B", 1),
        ("256 KiB", 262_144),
        ("256KiB", 262_144),
        (" 256  KiB ", 262_144),
        ("0.5 KiB", 512),
        ("0.0009765625 KiB", 1),
        ("1 MiB", 1_048_576),
        ("1.5 GiB", 1_610_612_736),
        ("64 kB", 64_000),
        ("1.000001 MB", 1_000_001),
        ("999999999999999999 GiB", 999_999_999_999_999_999 * 2**30),
    ],
)
def test_bytes_are_exact(text: str, n_bytes: int) -> None:
    assert parse_bytes(text) == n_bytes


@pytest.mark.parametrize(
    ("text", "hertz"),
    [("64 MHz", 64_000_000), ("32.768 kHz", 32_768), ("1.5 GHz", 1_500_000_000), ("1 Hz", 1)],
)
def test_hertz_are_exact(text: str, hertz: int) -> None:
    assert parse_hertz(text) == hertz


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50 ms", 0.05),
        ("0.1 s", 0.1),
        ("7 us", 7e-6),
        ("7 \N{MICRO SIGN}s", 7e-6),
        ("7 \N{GREEK SMALL LETTER MU}s", 7e-6),
        ("3 ns", 3e-9),
    ],
)
def test_seconds_are_the_nearest_float(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    ("parse", "value", "words"),
    [
        (parse_bytes, 64, "64 has no unit; a size is a number with B, KiB, MiB, GiB, kB or MB"),
        (parse_bytes, "64", "64 has no unit"),
        (parse_bytes, 0.5, "0.5 has no unit"),
        (parse_bytes, "1.3 B", "1.3 B is 1.3 bytes, and a size is a whole number of bytes"),
        (parse_bytes, "64 KB", "did you mean KiB or kB?"),
        (parse_bytes, "64 kib", "did you mean KiB or kB?"),
        (parse_bytes, "64 mb", "did you mean MiB or MB?"),
        (parse_bytes, "64 Hz", "'Hz' is no unit; a size is"),
        (parse_bytes, "-1 B", "found '-1 B'"),
        (parse_bytes, "1,5 KiB", "found '1,5 KiB'"),
        (parse_bytes, "1e3 B", "found '1e3 B'"),
        (parse_bytes, "KiB", "found 'KiB'"),
        (parse_bytes, "", "found ''"),
        (parse_bytes, "9" * 5000 + " B", "a size is a number with"),
        (parse_bytes, None, "found no text"),
        (parse_bytes, True, "found no text"),
        (parse_bytes, ["64 KiB"], "found no text"),
        (parse_hertz, "64 mhz", "did you mean MHz?"),
        (parse_hertz, "0.5 Hz", "whole number of hertz"),
        (parse_seconds, 50, "50 has no unit; a time is a number with ns, us, µs, ms or s"),
        (parse_seconds, "50 MS", "did you mean ms?"),
        (parse_seconds, "1 min", "'min' is no unit; a time is"),
    ],
)
def test_what_is_no_quantity_is_explained(
    parse: Callable[[object], float], value: object, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        parse(value)
    assert len(str(error.value)) < 200


@given(
    st.sampled_from(
        [(parse_bytes, u) for u in BYTE_UNITS] + [(parse_hertz, u) for u in HERTZ_UNITS]
    ),
    st.integers(min_value=0, max_value=10**18 - 1),
)
def test_whole_numbers_of_every_unit_are_exact(
    parse_and_unit: tuple[Callable[[object], int], str], number: int
) -> None:
    parse, unit = parse_and_unit
    assert parse(f"{number} {unit}") == number * parse(f"1 {unit}")


@given(st.text(alphabet="0123456789. kKMGiBHznumsµ-+e\n", max_size=12) | st.text(max_size=8))
def test_any_text_is_a_quantity_or_explained(text: str) -> None:
    for parse, units in (
        (parse_bytes, BYTE_UNITS),
        (parse_hertz, HERTZ_UNITS),
        (parse_seconds, SECOND_UNITS),
    ):
        try:
            quantity = parse(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017  either outcome is right
        else:
            assert quantity >= 0
            assert any(unit in text.replace("\N{GREEK SMALL LETTER MU}", "µ") for unit in units)
