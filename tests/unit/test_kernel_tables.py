"""benchmarks/kernel_tables: figures beside goals and peers."""

from __future__ import annotations

import doctest
from pathlib import Path

import yaml

from benchmarks import kernel_tables
from benchmarks.kernel_tables import Figures, tables

_PUBLISHED = yaml.safe_load(Path(kernel_tables.__file__).with_name("published.yaml").read_bytes())


def test_every_figure_stands_beside_its_goal_and_its_peer() -> None:
    counted: dict[str, float] = {
        "code": 15_000,
        "arena": 9_788,
        "instructions": 3_300_001,
        "cycles": 4_000_000,
    }
    found: dict[str, Figures] = {
        "kws": {
            "nrf52840": {**counted, "code_for_size": 8_000},
            "corstone300": {**counted, "instructions": 800_000},
            "rpi4": counted,
            "rpi5": counted,
            "browser": {"code": 25_000},
        }
    }
    lines = list(tables(found, _PUBLISHED))
    blocks = "\n".join(lines).strip().split("\n\n")
    assert blocks[0].splitlines()[1:] == [
        "|---|---|",
        "| instructions | 3.30 M |",
        "| at most | 3.30 M missed |",  # by one
        "| of TFLM + CMSIS-NN | 0.43 |",
        "| cycles by the model | 4.00 M |",
        "| at most | 4.80 M reached |",
        "| code bytes, all but weights | 15,000 |",
        "| at most | 16,000 reached |",
        "| of TFLM + CMSIS-NN | 0.28 |",
        "| the same, --optimize size | 8,000 |",
        "| at most | 8,000 reached |",
        "| arena bytes | 9,788 |",
        "| of TFLM + CMSIS-NN | 0.43 |",
    ]
    assert "| at most | 0.800 M reached |" in blocks[1]
    assert "| of LiteRT XNNPACK | 1.70 |" in blocks[2]
    assert blocks[-1].splitlines()[2:] == [
        "| code bytes, all but weights | 25,000 |",
        "| at most | 24,000 missed |",
    ]


def test_every_goal_is_a_number_for_each_model() -> None:
    for target, goals in _PUBLISHED["goals"].items():
        for quantity, by_model in goals.items():
            assert set(by_model) == {"kws", "vww", "ic", "ad", "sww"}, (target, quantity)
            assert all(isinstance(value, float) for value in by_model.values())


def test_examples_hold() -> None:
    assert doctest.testmod(kernel_tables).failed == 0
