"""Runs a Linux program of another processor under QEMU's user mode emulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.verify.native import program_machine, runs_here
from anvil.verify.stream import built_file, find_program, missing_tool, run_stream

if TYPE_CHECKING:
    from anvil.verify.invocation import Invocation, RunResult


def run(invocation: Invocation) -> RunResult:
    """Run the program under `emulator.program`, or as it is where this computer can.

    Instructions are not counted: user mode has no -icount, and the plugin that counts would
    have to be compiled on this machine.
    """
    program = built_file(invocation, invocation.name).absolute()
    machine = program_machine(program)
    if runs_here(machine):
        return run_stream(invocation, [str(program)])
    name = invocation.emulator.program or f"qemu-{machine}"
    # Debian's qemu-user-static has the same program under a longer name.
    qemu = find_program(name, f"{name}-static")
    if qemu is None:
        raise missing_tool(invocation, f"{name} is not installed", "apt-get install qemu-user")
    cpu = invocation.emulator.cpu
    return run_stream(invocation, [qemu, *(["-cpu", cpu] if cpu else []), str(program)])
