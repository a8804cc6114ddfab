"""What a plan will cost on its target, said before anything is compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """One kernel call; None where the core's cost table has no figure for its variant."""

    instructions: int | None
    cycles: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Predicted sizes in bytes, instructions, and time of one inference.

    Every figure but the arena may be None: the cost table of the core does not cover a
    kernel that the plan uses.
    """

    calls: tuple[CallCost, ...]  # by call of the plan
    instructions: int | None  # of the whole NAME_run
    cycles: int | None
    latency_s: float | None
    arena_bytes: int
    data_bytes: int | None  # .data
    bss_bytes: int | None  # .bss without the arena
    stack_bytes: int | None  # a bound that holds
    code_bytes: int | None  # everything in flash but the weights
    weight_bytes: int

    @property
    def ram_bytes(self) -> int | None:
        """Arena, data, bss and stack."""
        if self.data_bytes is None or self.bss_bytes is None or self.stack_bytes is None:
            return None
        return self.arena_bytes + self.data_bytes + self.bss_bytes + self.stack_bytes

    @property
    def flash_bytes(self) -> int | None:
        """Code and weights."""
        return None if self.code_bytes is None else self.code_bytes + self.weight_bytes
