"""Frames that are read from Thumb code, against what the assembler wrote of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from anvil.build.tools import find_tools
from anvil.cache.location import user_store
from benchmarks.costs.sizes import elf_functions

_CASES = {
    "push {r4-r7, lr}": 20,
    "push {r4-r11, lr}": 36,
    "push {r4, lr}\n  sub sp, sp, #32": 40,
    "push {r4-r11, lr}\n  vpush {s16-s19}\n  sub.w sp, sp, #1024": 36 + 16 + 1024,
    "vpush {d8-d15}": 64,
    "subw sp, sp, #1001": 1001,
    "stmdb sp!, {r4-r9}": 24,
    "mov r0, r1\n  smlad r0, r1, r2, r3\n  stm r0!, {r4-r7}": 0,
}


@pytest.mark.parametrize("body", sorted(_CASES))
def test_what_a_function_pushes_and_subtracts_is_its_frame(body: str, tmp_path: Path) -> None:
    (tmp_path / "f.S").write_text(
        "  .syntax unified\n  .thumb\n  .text\n  .global f\n  .type f, %function\nf:\n"
        f"  {body}\n  b f\n  .size f, . - f\n"
    )
    cache = str(user_store().tool_cache)
    flags = ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-nostdlib"]
    subprocess.run(
        [find_tools().zig, "cc", *flags, "-g", "-Wl,-e,f", "f.S", "-o", "f"],
        cwd=tmp_path,
        env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        check=True,
        timeout=300,
    )
    (function,) = elf_functions((tmp_path / "f").read_bytes())
    assert (function.name, function.frame_bytes) == ("f", _CASES[body])
