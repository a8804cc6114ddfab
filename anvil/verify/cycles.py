"""Cycles of a counted run, by the model in the core's profile: a documented sum, not a simulation.

What memory adds by making the core wait is not in it.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.verify.instruction_count import Block, CountedRun

_NAMED_REGISTERS = {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCalls:
    """One run of NAME_run: its blocks by call of the plan, and what their instructions are."""

    run: CountedRun
    text: Mapping[int, tuple[str, str]]  # address -> mnemonic, operands
    _addresses: list[int] = field(init=False, repr=False)  # of `text`, sorted

    def __post_init__(self) -> None:
        """Sort once what every block is looked up in."""
        object.__setattr__(self, "_addresses", sorted(self.text))

    @property
    def calls(self) -> tuple[int, ...]:
        """Instructions by call of the plan."""
        return self.run.slot_instructions[1:]

    @property
    def before(self) -> int:
        """Instructions up to the first call."""
        return self.run.slot_instructions[0]

    def cycles(self, model: Mapping[str, Any]) -> tuple[float, ...]:
        """Cycles by call."""
        return tuple(self._slot_cycles(number, model) for number in range(1, len(self.run.slots)))

    def cycles_before(self, model: Mapping[str, Any]) -> float:
        """Cycles up to the first call."""
        return self._slot_cycles(0, model)

    def _slot_cycles(self, number: int, model: Mapping[str, Any]) -> float:
        return sum(self._block_cycles(block, model) for block in self.run.slots[number])

    def _block_cycles(self, block: Block, model: Mapping[str, Any]) -> float:
        first = bisect.bisect_left(self._addresses, block.address)
        addresses = self._addresses[first : first + block.n_instructions]
        once = sum(instruction_cycles(*self.text[at], model) for at in addresses)
        return once * block.n_times + float(model.get("taken_branch", 0)) * block.n_taken


def instruction_cycles(mnemonic: str, operands: str, model: Mapping[str, Any]) -> float:
    """Cycles of one instruction.

    Of the first of `patterns` that is the whole of it, operands included; or else of the
    longest name in `classes` that it begins with.
    """
    patterns: Mapping[str, float] = model.get("patterns", {})
    for pattern, cycles in patterns.items():
        if re.fullmatch(pattern, f"{mnemonic} {operands}"):
            return float(cycles)
    classes: Mapping[str, float] = model.get("classes", {})
    fitting = [name for name in classes if mnemonic.startswith(name)]
    found = float(classes[max(fitting, key=len)]) if fitting else float(model["instruction"])
    if "{" in operands:  # a list of registers
        found += float(model.get("per_register", 0)) * n_registers(operands)
    return found


def n_registers(operands: str) -> int:
    """Registers in a list such as {r4-r7, lr}, in words of 32 bits.

    >>> n_registers("sp!, {r4, r5, r6, lr}"), n_registers("{d8-d9}")
    (4, 4)
    """

    def number(name: str) -> int:
        return _NAMED_REGISTERS[name] if name in _NAMED_REGISTERS else int(name[1:])

    total = 0
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        first, _, last = part.strip().partition("-")
        count = number(last) - number(first) + 1 if last else 1
        total += count * (2 if first.startswith("d") else 1)
    return total
