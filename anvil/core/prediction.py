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
    kernel that the plan uses, or what it was fitted on has changed since.
    """

    calls: tuple[CallCost, ...]  # by call of the plan
    instructions: int | None  # of the whole NAME_run
    cycles: int | None
    latency_s: float | None
    arena_bytes: int
    data_bytes: int | None  # .data
    bss_bytes: int | None  # .bss without the arena
    stack_bytes: int | None  # a bound that holds
    reserved_stack_bytes: int | None  # what the program reserves for it; None where nothing does
    code_bytes: int | None  # everything in flash but the weights
    weight_bytes: int
    unknown: tuple[str, ...]  # symbols of kernels that the table does not cover, sorted

    @property
    def ram_bytes(self) -> int | None:
        """Arena, data, bss, and the stack: what is reserved for it, or else the bound."""
        stack = self.reserved_stack_bytes or self.stack_bytes
        if self.data_bytes is None or self.bss_bytes is None or stack is None:
            return None
        return self.arena_bytes + self.data_bytes + self.bss_bytes + stack

    @property
    def flash_bytes(self) -> int | None:
        """Code and weights."""
        return None if self.code_bytes is None else self.code_bytes + self.weight_bytes
