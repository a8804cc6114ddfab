"""What differs between two folders of files, for people: diffoscope, or the first offset."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from anvil import process
from anvil.verify.stream import find_program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_S = 300.0
_MAX_BYTES = 2_000_000
_DIFFERS = 1  # diffoscope's exit code where it found what differs
_CONTEXT_BYTES = 16


def explain(
    first: Mapping[str, bytes],
    second: Mapping[str, bytes],
    folder: Path,
    cancellation: process.Cancellation,
) -> str:
    """A text on every file that differs: where it first does, then diffoscope's report.

    folder: where `first/` and `second/` hold those files.
    """
    own = "".join(
        f"{path}: {first_difference(first.get(path), second.get(path))}\n"
        for path in sorted(first.keys() | second.keys())
        if first.get(path) != second.get(path)
    )
    return own + "\n" + _diffoscope(folder, cancellation)


def _diffoscope(folder: Path, cancellation: process.Cancellation) -> str:
    program = find_program("diffoscope")
    if program is None:
        return "diffoscope is not here, which would show more: python3 -m pip install diffoscope\n"
    words = ("--text", "-", "--no-progress", "--exclude-directory-metadata", "yes")
    try:
        completed = process.run(
            [
                program,
                *words,
                "--max-text-report-size",
                str(_MAX_BYTES),
                "first",
                "second",
            ],
            cwd=folder,
            environment={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": "C.UTF-8",
                "HOME": str(folder),
                "TMPDIR": str(folder),
            },
            timeout_s=_TIMEOUT_S,
            cancellation=cancellation,
        )
    except OSError as error:
        return f"diffoscope cannot be started: {error.strerror}\n"
    if completed.timed_out:
        return f"diffoscope found no end within {_TIMEOUT_S:g} s\n"
    if completed.returncode != _DIFFERS:
        said = completed.stderr.decode(errors="replace").strip().splitlines()[-3:]
        return f"diffoscope ended with exit code {completed.returncode}: {' '.join(said)}\n"
    return completed.stdout.decode(errors="replace")


def first_difference(first: bytes | None, second: bytes | None) -> str:
    """Where two files first differ, with the bytes there and, in an ELF file, its section.

    >>> first_difference(b"abc", b"abd")
    'differs from byte 2 on: 63 and 64'
    """
    if first is None or second is None:
        return f"only the {'second' if first is None else 'first'} build made it"
    if first == second:
        return "the same bytes, executable in one build alone"
    pairs = enumerate(zip(first, second, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(first), len(second)))
    section = _section(first, at)
    place = f" in section {section}" if section else ""
    shown = [part[at : at + _CONTEXT_BYTES].hex() or "the end" for part in (first, second)]
    sizes = f"; {len(first)} and {len(second)} bytes" if len(first) != len(second) else ""
    return f"differs from byte {at} on{place}: {shown[0]} and {shown[1]}{sizes}"


def _section(content: bytes, at: int) -> str | None:
    if not content.startswith(b"\x7fELF"):
        return None
    from elftools.common.exceptions import ELFError  # noqa: PLC0415  only where builds differ
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    try:
        sections = list(ELFFile(io.BytesIO(content)).iter_sections())
    except ELFError:
        return None
    for section in sections:
        begin = section["sh_offset"]
        is_in_file = section["sh_type"] != "SHT_NOBITS"
        if is_in_file and begin <= at < begin + section["sh_size"]:
            return str(section.name)
    return None
