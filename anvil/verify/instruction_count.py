"""Exact counts of instructions in QEMU, by a plugin that is compiled where it is needed.

QEMU shows every block that it executes to a plugin, in system and in user mode alike. The
plugin is a shared library for this computer; the compiler that builds for the targets makes
it in a fraction of a second, and nothing of it is kept.
"""

from __future__ import annotations

import importlib.util
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.process import Cancellation

_SOURCE = Path(__file__).with_name("instruction_counter.c")
_COMPILER_PACKAGE = "ziglang"
_COMPILE = ("-shared", "-nostdlib", "-ffreestanding", "-fPIC", "-O2", "-fvisibility=hidden")
_TIMEOUT_S = 120.0
_BLOCK_FIELDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A run of instructions without a branch among them, as one slot executed it."""

    address: int
    n_instructions: int
    n_times: int
    n_taken: int  # how often something else than the block behind it came next


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRun:
    """One run of the function: slot 0 up to its first call, then one slot for each call."""

    slots: tuple[tuple[Block, ...], ...]
    n_constant_reads: int | None = None  # of data that nothing writes; None where not asked for

    @property
    def slot_instructions(self) -> tuple[int, ...]:
        """Instructions of each slot."""
        return tuple(sum(b.n_instructions * b.n_times for b in slot) for slot in self.slots)

    @property
    def instructions(self) -> int:
        """Instructions of the run as a whole."""
        return sum(self.slot_instructions)


def compile_counter(folder: Path, cancellation: Cancellation | None = None) -> Path | None:
    """The plugin, made in `folder`; None where this computer has no compiler for it."""
    spec = importlib.util.find_spec(_COMPILER_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    plugin = folder / "counter.so"
    compiler = Path(spec.origin).with_name("zig.exe" if os.name == "nt" else "zig")
    caches = {key: str(folder / "zig") for key in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    try:
        completed = process.run(
            [str(compiler), "cc", *_COMPILE, "-o", str(plugin), str(_SOURCE)],
            cwd=folder,
            environment={**caches, "PATH": os.environ.get("PATH", "")},
            stdin=b"",
            timeout_s=_TIMEOUT_S,
            cancellation=cancellation,
        )
    except OSError:
        return None
    return plugin if completed.returncode == 0 and plugin.is_file() else None


def counter_options(
    plugin: Path,
    log: Path,
    program: bytes,
    function: str,
    *,
    by_kernel: bool = False,
    reads: bool = False,
) -> list[str] | None:
    """QEMU's options that count over `function` and write to `log`.

    program: the ELF file that QEMU runs; by_kernel: a slot for each call that the function
    makes; reads: also how often constants were read. None where the program has no such function.
    """
    found = _extent(program, function)
    if found is None:
        return None
    start, n_bytes = found
    arguments = [f"start={start:x}", *([f"end={start + n_bytes:x}"] if by_kernel else [])]
    if reads:
        low, high = _read_only_extent(program)
        arguments += [f"low={low:x}", f"high={high:x}"]
    return ["-d", "plugin", "-D", str(log), "-plugin", ",".join([str(plugin), *arguments])]


def read_counts(text: str) -> tuple[CountedRun, ...]:
    """What the plugin wrote, one value for each call of the function that returned."""
    runs: list[dict[int, list[Block]]] = []
    reads: dict[int, int] = {}
    for line in text.splitlines():
        words = line.split()
        if words == ["run"]:
            runs.append({})
        elif words[:1] == ["reads"] and runs:
            reads[len(runs) - 1] = int(words[1], 16)
        elif len(words) == _BLOCK_FIELDS and words[0] != "text" and runs:
            slot, address, n_instructions, n_times, n_taken = (int(word, 16) for word in words)
            runs[-1].setdefault(slot, []).append(
                Block(
                    address=address,
                    n_instructions=n_instructions,
                    n_times=n_times,
                    n_taken=n_taken,
                )
            )
    return tuple(
        CountedRun(
            slots=tuple(tuple(run.get(slot, ())) for slot in range(max(run) + 1)),
            n_constant_reads=reads.get(number),
        )
        for number, run in enumerate(runs)
        if run
    )


def mean_instructions(runs: Sequence[CountedRun]) -> int | None:
    """The mean over several calls, rounded; None without any."""
    return round(sum(run.instructions for run in runs) / len(runs)) if runs else None


def _extent(program: bytes, function: str) -> tuple[int, int] | None:
    """Address and bytes of a function; the lowest bit, which marks Thumb code, left out."""
    # Only where something is counted.
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415
    from elftools.elf.sections import SymbolTableSection  # noqa: PLC0415

    table = ELFFile(io.BytesIO(program)).get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return None
    for symbol in table.get_symbol_by_name(function) or ():
        if symbol["st_info"]["type"] == "STT_FUNC":
            return symbol["st_value"] & ~1, symbol["st_size"]
    return None


def _read_only_extent(program: bytes) -> tuple[int, int]:
    """From the first to behind the last address of what is loaded and never written."""
    from elftools.elf.constants import SH_FLAGS  # noqa: PLC0415
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    sections = [
        (section["sh_addr"], section["sh_addr"] + section["sh_size"])
        for section in ELFFile(io.BytesIO(program)).iter_sections()
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        and not section["sh_flags"] & SH_FLAGS.SHF_WRITE
        and section["sh_size"]
    ]
    return min(low for low, _ in sections), max(high for _, high in sections)
