"""Times the calls of one inference on this computer: natively, or in Node."""

from __future__ import annotations

import json
import platform
import re
import statistics
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.verify.native import program_machine, runs_here
from anvil.verify.node import require_node
from anvil.verify.stream import answer_of, built_file, failure, missing_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.verify.invocation import Invocation

_RUNNER = Path(__file__).with_name("bench_runner.mjs")
_PAIR = struct.Struct("<QQ")

_Turn = list[tuple[float, int]]  # of one turn by row: nanoseconds, and how often that was run


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """Nanoseconds, each the median of several batches of runs."""

    calls: tuple[float, ...]  # by call of the plan, each alone and warm
    whole: float  # of NAME_run
    n_batches: int
    machine: str  # the processor, and the engine where there is one


def time_calls(invocation: Invocation, *, n_calls: int) -> CallTimes:
    """Run the bench's build in the invocation's folder on its first batch.

    AnvilError (exit 1): `run.missing-tool` where this computer cannot run it, `run.failed`,
    `run.timeout` and `run.wrong-size` as of other runs.
    """
    inputs = b"".join(invocation.batches[0])
    if invocation.emulator.kind == "node":
        module = built_file(invocation, f"{invocation.name}.wasm").absolute()
        argv = [require_node(invocation), str(_RUNNER), str(module)]
        words = (str(n_calls), str(len(invocation.inputs)))
        document = json.loads(answer_of(invocation, [*argv, *words], inputs))
        turns = [[(float(ns), int(n)) for ns, n in turn] for turn in document["turns"]]
        return _times(turns, f"{processor()}, Node.js {document['version']}")
    program = built_file(invocation, invocation.name).absolute()
    machine = program_machine(program)
    if not runs_here(machine):
        raise missing_tool(
            invocation,
            f"time is measured on {machine or 'its own'} Linux itself, and this computer is "
            f"{platform.machine()} {platform.system()}",
            "run `anvil bench` on a computer of that kind",
        )
    answer = answer_of(invocation, [str(program)], inputs)
    row_bytes = _PAIR.size * (n_calls + 2)
    if not answer or len(answer) % row_bytes:
        raise failure(
            invocation, "wrong-size", f"rows have {row_bytes} bytes, found {len(answer)} in all"
        )
    pairs = [(float(ns), n) for ns, n in _PAIR.iter_unpack(answer)]
    n_rows = n_calls + 2
    turns = [pairs[start : start + n_rows] for start in range(0, len(pairs), n_rows)]
    return _times(turns, processor())


def _times(turns: Sequence[_Turn], machine: str) -> CallTimes:
    medians = [statistics.median(ns / n for ns, n in row) for row in zip(*turns, strict=True)]
    *calls, nothing, whole = medians
    return CallTimes(
        calls=tuple(max(call - nothing, 0.0) for call in calls),
        whole=whole,
        n_batches=len(turns),
        machine=machine,
    )


def processor() -> str:
    """The processor of this computer, as Linux or Python names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()
