"""How much stack a function takes that aligns it, as the compiler writes it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.costs.sizes import elf_functions
from benchmarks.costs.x86_frames import aligned_bytes

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = """\
void use(char *);
void f(void) {
  char bytes[%d] __attribute__((aligned(%d)));
  use(bytes);
}
void use(char *bytes) { __asm__ volatile("" : : "r"(bytes) : "memory"); }
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"\x55\x48\x89\xe5\xc3", 0),
        (b"\x55\x48\x83\xe4\xe0\x48\x83\xec\x40\xc3", 31 + 64),
        (b"\x55\x48\x83\xe4\xc0\x48\x81\xec\x20\x17\x00\x00\xc3", 63 + 0x1720),
    ],
)
def test_instructions(code: bytes, expected: int) -> None:
    assert aligned_bytes(code) == expected


@pytest.mark.parametrize("n_bytes", [40, 5000])
@pytest.mark.parametrize("alignment", [16, 32, 64, 128, 256, 4096])
def test_what_a_compiler_writes(n_bytes: int, alignment: int, tmp_path: Path) -> None:
    (tmp_path / "f.c").write_text(_SOURCE % (n_bytes, alignment), encoding="ascii")
    command = ["cc", "-target", "x86_64-linux-musl", "-nostdlib", "-Wl,-e,f", "-O2", "-g"]
    command += ["-fno-inline", "-fno-sanitize=all", "-fomit-frame-pointer"]
    command += ["-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "f.c", "-o", "linked"]
    subprocess.run([sys.executable, "-m", "ziglang", *command], cwd=tmp_path, check=True)
    functions = {one.name: one for one in elf_functions((tmp_path / "linked").read_bytes())}
    frame = functions["f"].frame_bytes
    assert n_bytes <= frame <= n_bytes + 2 * alignment + 32  # its alignment, two words pushed
