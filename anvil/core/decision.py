"""Decisions: the ways in which a target could be built, which one is taken, and why."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.candidate import Candidate
    from anvil.core.diagnostics import Diagnostic
    from anvil.core.fit import Misfit
    from anvil.core.plan import Plan
    from anvil.core.prediction import Prediction
    from anvil.core.rewrite import AppliedRewrite, Rewritten
    from anvil.core.target import Target


class Criterion(enum.StrEnum):
    """What one choice may be better in than another."""

    ACCURACY = "accuracy"  # the smaller loss against the float model
    FLASH = "flash"
    RAM = "ram"
    LATENCY = "latency"
    PRODUCT = "product"  # balance() of latency, flash and RAM


# What `optimize` stands for: the criteria in order, each deciding where the ones before tie.
ORDERS: dict[str, tuple[Criterion, ...]] = {
    "size": (Criterion.FLASH, Criterion.RAM, Criterion.LATENCY, Criterion.ACCURACY),
    "balanced": (Criterion.PRODUCT, Criterion.ACCURACY),
    "speed": (Criterion.LATENCY, Criterion.RAM, Criterion.FLASH, Criterion.ACCURACY),
}

# Memory against which a program counts where an operating system gives it as much as it wants:
# about the second-level cache of a core.
_CACHE_BYTES = 1 << 20


def balance(target: Target, *, latency: float, flash_bytes: float, ram_bytes: float) -> float:
    """Latency, grown by the shares of the target's flash and RAM that are taken.

    What fills the flash has to run in half the time of what takes none of it, and likewise with
    RAM: a byte weighs what it is worth on the device, and little where there is plenty.
    """
    flash = _CACHE_BYTES if target.flash is None else target.flash.size_bytes
    ram = _CACHE_BYTES if target.ram is None else target.ram.size_bytes
    return latency * (1 + flash_bytes / flash) * (1 + ram_bytes / ram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to build for one target, planned and predicted."""

    candidate: Candidate
    variation: str  # how it differs from the usual way to build the candidate; empty for none
    disabled_rewrites: tuple[str, ...]  # sorted
    rewritten: Rewritten
    n_bands: int  # of rows that the first stage runs in; 1 where it runs whole
    plan: Plan
    prediction: Prediction
    misfits: tuple[Misfit, ...]  # empty where it meets every requirement
    kernel_order: tuple[Criterion, ...] = ()  # by which its kernels were weighed

    @property
    def label(self) -> str:
        """The choice's name for people: int8, int8 without tables."""
        return f"{self.candidate.name} {self.variation}".strip()

    @property
    def applied(self) -> tuple[AppliedRewrite, ...]:
        """What the rewrites gained."""
        return self.rewritten.applied

    @property
    def fits(self) -> bool:
        """Whether it meets every requirement and the board's memory."""
        return not self.misfits


# What may be otherwise the next time: an action crashed, was killed, or ran out of time.
PASSING_CODES = frozenset({"quantize.crashed", "quantize.failed", "accuracy.unfinished"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCandidate:
    """A candidate that could not be made, measured or planned."""

    name: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Every choice for one target, the best first among those that fit."""

    chosen: Choice | None  # None where nothing fits
    choices: tuple[Choice, ...]  # best first; those that do not fit stand last
    pareto: tuple[bool, ...]  # by choice: nothing else is at least as good in everything
    order: tuple[Criterion, ...]
    failed: tuple[FailedCandidate, ...]
    # (quantity, what is compared in its stead), where not every choice has the quantity itself
    stand_ins: tuple[tuple[str, str], ...] = ()
