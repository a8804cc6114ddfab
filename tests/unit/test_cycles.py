"""Cycles by a core's model: what every block and every jump of a counted run adds."""

from __future__ import annotations

import pytest

from anvil.verify.cycles import CountedCalls, instruction_cycles, n_registers
from anvil.verify.instruction_count import Block, CountedRun

_MODEL = {"instruction": 1, "classes": {"ldr": 2, "ldrd": 3}, "per_register": 1, "taken_branch": 2}


@pytest.mark.parametrize(
    ("mnemonic", "operands", "cycles"),
    [
        ("add", "r0, r1", 1),
        ("ldr", "r0, [r1]", 2),
        ("ldrsb.w", "r0, [r1]", 2),
        ("ldrd", "r0, r1, [r2]", 3),  # the longest name that fits
        ("push", "{r4, r5, lr}", 4),
        ("vldmia", "r0!, {d8-d15}", 17),
    ],
)
def test_an_instruction_costs_what_its_class_says(
    mnemonic: str, operands: str, cycles: float
) -> None:
    assert instruction_cycles(mnemonic, operands, _MODEL) == cycles


def test_registers_with_names_end_a_range() -> None:
    assert n_registers("sp!, {r8-lr}") == 7
    assert n_registers("{s16-s19, d4}") == 6


def test_a_run_is_summed_by_call() -> None:
    first = Block(address=0x10, n_instructions=2, n_times=1, n_taken=1)
    loop = Block(address=0x14, n_instructions=2, n_times=10, n_taken=9)
    counted = CountedCalls(
        run=CountedRun(slots=((first,), (loop,), (first, loop))),
        text={
            0x16: ("bne", "0x14"),
            0x10: ("nop", ""),
            0x12: ("bl", "0x14"),
            0x14: ("ldr", "r0, [r1]"),
        },
    )
    assert (counted.before, counted.calls) == (2, (20, 22))
    assert counted.cycles_before(_MODEL) == 2 + 2
    assert counted.cycles(_MODEL) == (30 + 18, 4 + 48)
