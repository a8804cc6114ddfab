"""Counts one inference of a built program in QEMU, call by call of its plan."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.verify import qemu_system, qemu_user
from anvil.verify.cycles import CountedCalls
from anvil.verify.instruction_count import compile_counter, counter_options, read_counts
from anvil.verify.native import program_machine, runs_here
from anvil.verify.stream import built_file, failure, missing_tool

if TYPE_CHECKING:
    from anvil.verify.instruction_count import CountedRun
    from anvil.verify.invocation import Invocation

# QEMU has a disassembler of its own for RISC-V, which begins with the instruction's bits.
_TEXT = re.compile(r"text ([0-9a-f]+) (?:(?:[0-9a-f]{4}){1,2} {2,})?(\S+)\s*(.*)")
_RUNNERS = {
    "qemu-system-arm": qemu_system,
    "qemu-system-riscv32": qemu_system,
    "qemu-user": qemu_user,
}


def can_count(invocation: Invocation) -> bool:
    """Whether the target runs in QEMU here, rather than as it is or in Node."""
    kind = invocation.emulator.kind
    if kind != "qemu-user":
        return kind in _RUNNERS
    return not runs_here(program_machine(built_file(invocation, invocation.name)))


def count_calls(invocation: Invocation, *, n_calls: int, reads: bool = False) -> CountedCalls:
    """Run the invocation's first batch; its counts have a slot for each of the plan's calls.

    reads: count how often constants are read, too, which takes longer.

    AnvilError (exit 1): what the target's runner raises, `run.missing-tool` where the plugin
    cannot be made here, `run.failed` where the counts are not those of the plan.
    """
    runner = _RUNNERS[invocation.emulator.kind]
    with tempfile.TemporaryDirectory(prefix="anvil-count-") as name:
        folder = Path(name)
        log = folder / "counts.txt"
        plugin = compile_counter(folder, invocation.cancellation)
        if plugin is None:
            raise missing_tool(
                invocation,
                "there is no compiler here for the plugin that counts instructions",
                "python3 -m pip install ziglang",
            )
        program = built_file(invocation, runner.program_file(invocation))
        function = f"{invocation.name}_run"
        options = counter_options(
            plugin, log, program.read_bytes(), function, by_kernel=True, reads=reads
        )
        if options is None:
            raise failure(invocation, "failed", f"its program has no function {function}")
        options[-1] += ",disassemble=on"
        first = replace(invocation, batches=invocation.batches[:1], count=False)
        runner.run(first, qemu_options=options)
        text = log.read_text(encoding="ascii", errors="replace") if log.is_file() else ""
    return CountedCalls(run=_run_of(invocation, text, n_calls), text=_instructions(text))


def _run_of(invocation: Invocation, text: str, n_calls: int) -> CountedRun:
    runs = read_counts(text)
    if len(runs) != 1:
        raise failure(invocation, "failed", f"one inference was counted as {len(runs)} runs")
    found = len(runs[0].slots) - 1
    if found != n_calls:
        raise failure(invocation, "failed", f"the plan has {n_calls} calls, and {found} were seen")
    return runs[0]


def _instructions(text: str) -> dict[int, tuple[str, str]]:
    matches = (_TEXT.match(line) for line in text.splitlines())
    return {int(m[1], 16): (m[2], m[3]) for m in matches if m is not None}
