"""A target in full reads as its profile does."""

from __future__ import annotations

import pytest

from anvil.pipeline.inspect import _readable, list_targets
from tests.support.programs import ROOT


@pytest.mark.parametrize(
    ("key", "value", "name", "text"),
    [
        ("size_bytes", 256 * 1024, "size", "256 KiB"),
        ("stack_bytes", 1000, "stack", "1000 B"),
        ("clock_hz", 64_000_000, "clock", "64 MHz"),
        ("clock_hz", 1_500_000_000, "clock", "1500 MHz"),
        ("origin", 0x20000000, "origin", "0x20000000"),
        ("tx_pin", 38, "tx", "P1.06"),
        ("n_interrupts", 48, "n_interrupts", "48"),
        ("board", "x", "board", "x"),
    ],
)
def test_a_field_is_written_as_in_the_profile(
    key: str, value: object, name: str, text: str
) -> None:
    assert _readable(key, value) == (name, text)


def test_the_example_board_in_words() -> None:
    lines = list_targets(ROOT, "nrf52840").text
    assert "clock: 64 MHz" in lines
    assert "  origin: 0x20000000" in lines
    assert "  size: 256 KiB" in lines
    assert "  rx: P0.08" in lines
