"""Cycles by a core's model: what every block and every jump of a counted run adds."""

from __future__ import annotations

import pytest
import yaml

from anvil.resources import built_in
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


@pytest.mark.parametrize(
    ("instruction", "cycles"),
    [
        ("add.w r0, r1, r2, lsl #3", 1),
        ("smlad r0, r1, r2, r3", 1),
        ("smmlar r0, r1, r2, r3", 1),
        ("ssat r0, #8, r0, asr #4", 1),
        ("sdiv r0, r1, r2", 7),
        ("ldr.w r0, [r1, r2, lsl #2]", 2),
        ("ldrsb.w r0, [r1], #1", 2),
        ("ldrd r0, r1, [r2], #8", 3),
        ("ldm.w r0!, {r2, r3, r4, r5}", 5),
        ("pop.w {r4, r5, r6, r7, r8, sb, sl, fp, pc}", 10),
        ("str r0, [r1]", 1),
        ("strb.w r0, [sp, #0x1c]", 1),
        ("strb r0, [lr], #1", 1),
        ("str.w r0, [sp, #-8]!", 2),
        ("strb.w r0, [r3, sl]", 2),
        ("strh r0, [r3, r1]", 2),
        ("strd r0, r1, [sp, #-8]!", 3),
        ("vldr s0, [r0, #4]", 2),
        ("vldr d0, [r0, #4]", 3),
        ("vpush {d8, d9}", 5),
        ("vmov r0, s4", 1),
        ("vmov s4, s5, r0, r1", 2),
        ("vmov.f32 s0, s1", 1),
        ("bne #0x1000", 1),
    ],
)
def test_the_cortex_m4_as_its_profile_has_it(instruction: str, cycles: float) -> None:
    profile = yaml.safe_load((built_in("targets") / "cores" / "cortex-m4f.yaml").read_bytes())
    mnemonic, _, operands = instruction.partition(" ")
    assert instruction_cycles(mnemonic, operands, profile["cycles"]) == cycles


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
