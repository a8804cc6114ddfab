"""What is said of something that does not fit, before and after compiling."""

from __future__ import annotations

from dataclasses import dataclass

from anvil.core.diagnostics import Diagnostic
from anvil.core.units import duration

_QUANTITIES = {"board.ram": "RAM", "board.flash": "flash", "board.stack": "stack"}
_QUANTITIES |= {"max_ram": "RAM", "max_flash": "flash", "max_latency": "latency"}
_QUANTITIES |= {"max_accuracy_drop": "accuracy"}
# The field of core.target.Requirements that a requirement is kept in.
_FIELDS = {
    "max_ram": "max_ram_bytes",
    "max_flash": "max_flash_bytes",
    "max_latency": "max_latency_s",
    "max_accuracy_drop": "max_accuracy_drop",
}
_LIMITED_BY = {
    "board.ram": "the board has",
    "board.flash": "the board has",
    "board.stack": "the board reserves",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One limit that a plan or a built program exceeds."""

    target: str
    what: str  # board.ram, board.flash, board.stack, or the requirement: max_ram, ...
    subject: str  # what takes it: "the weights alone"
    value: float  # in `unit`; sizes are whole
    limit: float
    unit: str  # B, s, or the metric that is lost
    is_predicted: bool = False  # decided by a prediction, not by a bound or a measurement

    def __post_init__(self) -> None:
        if self.what not in _QUANTITIES or not self.value > self.limit:
            msg = f"{self.what}: {self.value} against {self.limit} is no misfit"
            raise ValueError(msg)

    @property
    def quantity(self) -> str:
        """RAM, flash, stack or latency."""
        return _QUANTITIES[self.what]

    @property
    def missing(self) -> float:
        """How much is missing, in `unit`."""
        return self.value - self.limit

    @property
    def requirement(self) -> str | None:
        """The field of Requirements that would have to give; None for the board's own limits."""
        return _FIELDS.get(self.what)

    @property
    def excess(self) -> float:
        """How much is missing, relative to the limit."""
        return self.missing / self.limit if self.limit else self.missing * 100

    def diagnostic(self) -> Diagnostic:
        """The budget error: value, limit, unit, and how much is missing.

        >>> Misfit(
        ...     target="t", what="max_ram", subject="the arena", value=3000, limit=2048, unit="B"
        ... ).diagnostic().message
        't: the arena takes 3,000 B of RAM; max_ram allows 2,048 B: 952 B are missing'
        """
        limited_by = _LIMITED_BY.get(self.what, f"{self.what} allows")
        if self.what == "max_accuracy_drop":
            takes = f"loses {self.value:.4g} of {self.unit}"
            missing = f"{self.missing:.4g} too much"
            limit = f"{self.limit:.4g}"
            hint = "allow more, give more calibration data, or train the model for it"
        elif self.unit == "s":
            takes = f"takes {duration(self.value, 4)}"
            missing = f"it is {duration(self.missing, 4)} too slow"
            limit = duration(self.limit, 4)
            hint = "choose a faster target, or a smaller model"
        else:
            takes = f"takes {self.value:,.0f} B of {self.quantity}"
            missing = f"{self.missing:,.0f} B are missing"
            limit = f"{self.limit:,.0f} B"
            hint = f"choose a target with more {self.quantity}, or a smaller model"
            if self.what == "board.stack":
                hint = "give the board's profile a larger `stack`"
        predicted = "as predicted, " if self.is_predicted else ""
        return Diagnostic(
            code=f"fit.{self.quantity.lower()}",
            message=f"{self.target}: {predicted}{self.subject} {takes}; {limited_by} {limit}: "
            + missing,
            hint=hint,
        )
