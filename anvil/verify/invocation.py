"""What every runner takes and gives: tensors as bytes, so that no runner needs NumPy.

A runner is a module of this folder with one function:
`run(invocation: Invocation) -> RunResult`. It raises AnvilError with exit code 1 where this
machine lacks something (code `run.missing-tool`, the hint says what installs it) and where
the program fails, times out or answers with a wrong number of bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.target import Emulator
    from anvil.process import Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One input or output of the model, as plan.json lists it."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # NumPy's name
    n_bytes: int
    scale: float | None = None  # real value = scale * (value - zero_point); None for floats
    zero_point: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Several independent inferences on one built artifact."""

    name: str  # of the project: prefixes file names
    target: str
    folder: Path  # build/<target>
    emulator: Emulator
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    batches: tuple[tuple[bytes, ...], ...]  # [inference][input], raw little-endian
    count: bool  # whether instructions and the stack's high-water mark are wanted
    timeout_s: float
    cancellation: Cancellation | None = None
    serial_port: str | None = None  # a real board instead of the emulator
    baud: int = 115200  # of the serial port, bits per second


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What came back. A count is None where it cannot be had."""

    outputs: tuple[tuple[bytes, ...], ...]  # [inference][output]
    instructions: int | None  # mean per inference over NAME_run
    cycles: int | None
    stack_bytes: int | None  # high-water mark over all inferences
