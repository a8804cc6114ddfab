"""Runs a Linux program on this computer itself."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from anvil.verify.stream import built_file, find_program, missing_tool, run_stream

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.verify.invocation import Invocation, RunResult

# Names that platform.machine() gives -> the one of Linux and of QEMU.
_MACHINES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

# e_machine in an ELF header.
_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
_ELF_MACHINE_OFFSET = 18


def program_machine(program: Path) -> str | None:
    """The machine that an ELF program is for, as QEMU names it; None for any other file."""
    with program.open("rb") as file:
        header = file.read(_ELF_MACHINE_OFFSET + 2)
    if len(header) < _ELF_MACHINE_OFFSET + 2 or not header.startswith(b"\x7fELF"):
        return None
    return _ELF_MACHINES.get(int.from_bytes(header[_ELF_MACHINE_OFFSET:], "little"))


def runs_here(machine: str | None) -> bool:
    """Whether this computer is a Linux on `machine`."""
    return platform.system() == "Linux" and _MACHINES.get(platform.machine()) == machine


def run(invocation: Invocation) -> RunResult:
    """Run the program, or give it to qemu-user where this is another kind of computer."""
    program = built_file(invocation, invocation.name).absolute()
    machine = program_machine(program)
    if runs_here(machine):
        return run_stream(invocation, [str(program)])
    qemu = find_program(f"qemu-{machine}", f"qemu-{machine}-static") if machine else None
    if qemu is None:
        raise missing_tool(
            invocation,
            f"its program is for {machine or 'an unknown machine'} Linux, and this computer is "
            f"{platform.machine()} {platform.system()}",
            "apt-get install qemu-user",
        )
    return run_stream(invocation, [qemu, str(program)])
