"""Runs a Linux program of another processor under QEMU's user mode emulation."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.verify.instruction_count import (
    compile_counter,
    counter_options,
    mean_instructions,
    read_counts,
)
from anvil.verify.native import program_machine, runs_here
from anvil.verify.stream import built_file, find_program, missing_tool, run_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.verify.invocation import Invocation, RunResult


def program_file(invocation: Invocation) -> str:
    """The artifact that QEMU runs."""
    return invocation.name


def run(invocation: Invocation, *, qemu_options: Sequence[str] = ()) -> RunResult:
    """Run the program under `emulator.program`, or as it is where this computer can.

    Instructions are counted by QEMU alone, and where its plugin can be made; else they are
    None. With `qemu_options`, which load a plugin, QEMU runs the program in any case.
    """
    program = built_file(invocation, program_file(invocation)).absolute()
    machine = program_machine(program)
    if runs_here(machine) and not qemu_options:
        return run_stream(invocation, [str(program)])
    name = invocation.emulator.program or f"qemu-{machine}"
    # Debian's qemu-user-static has the same program under a longer name.
    qemu = find_program(name, f"{name}-static")
    if qemu is None:
        raise missing_tool(invocation, f"{name} is not installed", "apt-get install qemu-user")
    cpu = invocation.emulator.cpu
    argv = [qemu, *(["-cpu", cpu] if cpu else [])]
    # Statically linked, QEMU can load no plugin.
    if qemu_options and qemu.endswith("-static"):
        raise missing_tool(
            invocation, f"{qemu} cannot load the plugin that counts", "apt-get install qemu-user"
        )
    if invocation.count and not qemu.endswith("-static"):
        return _run_counted(invocation, argv, program)
    return run_stream(invocation, [*argv, *qemu_options, str(program)])


def _run_counted(invocation: Invocation, argv: list[str], program: Path) -> RunResult:
    with tempfile.TemporaryDirectory(prefix="anvil-count-") as name:
        folder = Path(name)
        log = folder / "counts.txt"
        plugin = compile_counter(folder, invocation.cancellation)
        options = None
        if plugin is not None:
            options = counter_options(plugin, log, program.read_bytes(), f"{invocation.name}_run")
        result = run_stream(invocation, [*argv, *(options or []), str(program)])
        counts = read_counts(log.read_text(encoding="ascii")) if log.is_file() else ()
    return replace(result, instructions=mean_instructions(counts))
