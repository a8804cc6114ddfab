"""Runs the emulator's firmware in QEMU's model of a machine, its console on our pipes.

All requests go in at once and all answers come back at the end: a pipe loses nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anvil import process
from anvil.core.target import Emulator
from anvil.verify import protocol
from anvil.verify.firmware import check_firmware, summarise
from anvil.verify.stream import built_file, find_program, missing_tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anvil.verify.invocation import Invocation, RunResult

_PACKAGES = {"qemu-system-arm": "qemu-system-arm", "qemu-system-riscv32": "qemu-system-misc"}
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
_LAST_LINES = 10
# Where a machine has the chip's own memories: enough for builds whose outputs are all tensors, and
# for those that measure kernels. The linker holds every other program to the chip's.
_ROOM = {
    "microbit": (
        *("-global", "nrf51-soc.flash-size=0x400000"),
        *("-global", "nrf51-soc.sram-size=0x400000"),
    ),
}


def command(qemu: str, emulator: Emulator, firmware: Path, *, count: bool) -> list[str]:
    """The command line that runs `firmware` with its console on stdin and stdout."""
    return [
        qemu,
        "-M",
        emulator.machine or "",
        *_ROOM.get(emulator.machine or "", ()),
        *("-display", "none", "-serial", "none", "-monitor", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        # One instruction then takes 1 ns of the machine's time, which its timer counts.
        *(("-icount", "shift=0") if count else ()),
        *_loaded(emulator, firmware),
    ]


def _loaded(emulator: Emulator, firmware: Path) -> tuple[str, ...]:
    """A Cortex-M finds its entry in the vectors; RISC-V's machines begin at one of their own."""
    if emulator.kind == "qemu-system-riscv32":
        return ("-bios", "none", "-device", f"loader,file={firmware},cpu-num=0")
    return ("-kernel", str(firmware))


def program_file(invocation: Invocation) -> str:
    """The artifact that QEMU runs."""
    return f"emulator/{invocation.name}.elf"


def run(invocation: Invocation, *, qemu_options: Sequence[str] = ()) -> RunResult:
    """Run every inference in one emulator.

    qemu_options: more of them, such as a plugin's.
    AnvilError, exit 1: `run.missing-tool`, `run.not-built`, `run.timeout`, `run.fault`,
    `run.failed`, `run.wrong-model`, `run.wrong-size`.
    """
    target = invocation.target
    firmware = built_file(invocation, program_file(invocation)).absolute()
    program = invocation.emulator.kind
    qemu = find_program(program)
    if qemu is None:
        raise missing_tool(
            invocation, f"{program} is not installed", f"apt-get install {_PACKAGES[program]}"
        )
    hello = protocol.Frame(kind=protocol.MessageType.HELLO, sequence=0, payload=b"")
    requests = [hello] + [
        protocol.Frame(kind=protocol.MessageType.INVOKE, sequence=1 + i, payload=b"".join(batch))
        for i, batch in enumerate(invocation.batches)
    ]
    try:
        completed = process.run(
            [
                *command(qemu, invocation.emulator, firmware, count=invocation.count),
                *qemu_options,
            ],
            cwd=invocation.folder,
            environment={key: os.environ[key] for key in _PASSED_ON if key in os.environ},
            stdin=b"".join(protocol.encode(request) for request in requests),
            timeout_s=invocation.timeout_s,
            cancellation=invocation.cancellation,
        )
    except OSError as error:
        raise protocol.failure(
            target, "cannot-start", f"cannot start {qemu}: {error.strerror}"
        ) from error
    frames = protocol.FrameReader().feed(completed.stdout)
    for frame in frames:
        if frame.kind in {protocol.MessageType.FAULT, protocol.MessageType.ERROR}:
            raise protocol.device_failure(target, frame)
    results = [f for f in frames if f.kind == protocol.MessageType.RESULT]
    if completed.timed_out:
        raise protocol.failure(
            target,
            "timeout",
            f"{len(results)} of {len(invocation.batches)} inferences within "
            f"{invocation.timeout_s:g} s",
        )
    greetings = [f for f in frames if f.kind == protocol.MessageType.INFO]
    if completed.returncode != 0 or not greetings:
        raise protocol.failure(
            target,
            "failed",
            f"{program} ended with exit code {completed.returncode} after {len(results)} "
            f"of {len(invocation.batches)} inferences{_last_lines(completed.stderr)}",
        )
    info = protocol.parse_info(target, greetings[0].payload)
    check_firmware(invocation, info)
    if [f.sequence for f in results] != [r.sequence for r in requests[1:]]:
        raise protocol.failure(
            target,
            "wrong-size",
            f"{len(invocation.batches)} inferences gave {len(results)} results",
        )
    answers = [protocol.parse_result(target, f.payload, info.output_bytes) for f in results]
    return summarise(invocation, info, answers)


def _last_lines(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
    return ":\n" + "\n".join(lines) if lines else ""
