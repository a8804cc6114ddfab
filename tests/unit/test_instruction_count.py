"""The counting plugin: what it says of a program whose instructions are known."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from anvil.verify.instruction_count import (
    Block,
    compile_counter,
    counter_options,
    mean_instructions,
    read_counts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A loop of three instructions, 1000 times, and two calls of a kernel, which calls a helper.
_PROGRAM = """
.global _start, counted_run, anvil_test_int8_direct__scalar
.type counted_run, %function
.type anvil_test_int8_direct__scalar, %function
.type anvil_test_int8_part__scalar, %function
_start:
  bl counted_run
  bl counted_run
  mov x8, #93
  mov x0, #0
  svc #0
counted_run:
  mov x19, x30
  mov x1, #1000
1: nop
  subs x1, x1, #1
  b.ne 1b
  bl anvil_test_int8_direct__scalar
  bl anvil_test_int8_direct__scalar
  ret x19
.size counted_run, . - counted_run
anvil_test_int8_direct__scalar:
  mov x20, x30
  bl anvil_test_int8_part__scalar
  mov x1, #50
2: subs x1, x1, #1
  b.ne 2b
  ret x20
anvil_test_int8_part__scalar:
  ret
"""


@pytest.fixture(scope="module")
def program_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _assembled(tmp_path_factory.mktemp("counted"), _PROGRAM)


def _assembled(folder: Path, text: str) -> Path:
    source = folder / "program.S"
    source.write_text(text, encoding="ascii")
    flags = ["-target", "aarch64-freestanding-none", "-nostdlib", "-o", str(folder / "program")]
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *flags, str(source)],
        check=True,
        env={"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "z")},
    )
    return folder / "program"


@pytest.mark.parametrize("by_kernel", [False, True])
def test_every_instruction_is_counted_once(
    program_file: Path, program: Callable[[str], Path], tmp_path: Path, *, by_kernel: bool
) -> None:
    qemu = program("qemu-aarch64")
    plugin = compile_counter(tmp_path)
    assert plugin is not None
    log = tmp_path / "log"
    content = program_file.read_bytes()
    options = counter_options(plugin, log, content, "counted_run", by_kernel=by_kernel)
    assert options is not None
    subprocess.run([str(qemu), *options, str(program_file)], check=True)
    runs = read_counts(log.read_text(encoding="ascii"))
    before, kernel, last = 2 + 3000 + 1, 2 + 1 + 1 + 100 + 1, 1
    expected = (before, kernel + 1, kernel + last)
    assert [run.slot_instructions for run in runs] == [
        expected if by_kernel else (sum(expected),)
    ] * 2
    assert mean_instructions(runs) == sum(expected)
    (loop,) = [b for b in runs[0].slots[0] if b.n_times == 998 + 1]
    assert (loop.n_instructions, loop.n_taken) == (3, 998)


def test_reads_of_constants_are_counted_within_the_function(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    # Three reads of constants and one of the stack; one more outside.
    source = """
.global _start, counted_run
.type counted_run, %function
_start:
  bl counted_run
  ldr x1, constant
  mov x8, #93
  mov x0, #0
  svc #0
counted_run:
  adr x1, constant
  ldp x2, x3, [x1]
  ldrb w4, [x1]
  str x1, [sp, #-16]!
  ldr x5, [sp], #16
  ret
.size counted_run, . - counted_run
.balign 8
constant: .quad 1, 2
"""
    file = _assembled(tmp_path, source)
    plugin = compile_counter(tmp_path)
    assert plugin is not None
    log = tmp_path / "log"
    options = counter_options(plugin, log, file.read_bytes(), "counted_run", reads=True)
    assert options is not None
    subprocess.run([str(program("qemu-aarch64")), *options, str(file)], check=True)
    (run,) = read_counts(log.read_text(encoding="ascii"))
    assert run.n_constant_reads == 3
    assert run.instructions == 6


def test_what_is_not_there_is_not_counted(program_file: Path, tmp_path: Path) -> None:
    content = program_file.read_bytes()
    assert counter_options(tmp_path / "p", tmp_path / "l", content, "other_run") is None
    assert read_counts("") == ()
    assert mean_instructions(()) is None


def test_the_text_of_instructions_is_passed_over() -> None:
    block = Block(address=16, n_instructions=3, n_times=2, n_taken=1)
    (run,) = read_counts("text 10 add x0 x1 x2\nrun\n0 10 3 2 1\n")
    assert run.slots == ((block,),)
