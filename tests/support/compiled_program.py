"""C for one of the platforms, compiled as kernels are, and run there."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import yaml

from tests.support.platforms import HARNESS, TARGETS, runner_of
from tests.support.programs import ROOT, require_program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.platforms import Platform

KERNELS = ROOT / "kernels"
_TIMEOUT_S = 600
_WARNINGS = ("-std=c99", "-Wpedantic", "-Wconversion")  # beside the toolchain's own


def program_output(
    platform: Platform,
    text: str,
    folder: Path,
    *,
    sources: Sequence[str] = (),
    include: Sequence[Path] = (),
) -> bytes:
    """What a C program writes whose `void run_cases(void)` calls `platform_write`.

    For code that is no kernel: under kernels/common/, or a whole model's `sources`, whose
    headers lie in `include`.
    """
    runner = runner_of(platform)
    return run_program(
        platform, [*runner, str(compile_program(platform, text, sources, folder, include))]
    )


def run_program(platform: Platform, command: Sequence[str]) -> bytes:
    """What a command writes that ends well."""
    ended = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    assert ended.returncode == 0, (
        f"{platform.name}: exit code {ended.returncode}\n{ended.stderr.decode(errors='replace')}"
    )
    return ended.stdout


def compile_program(
    platform: Platform,
    text: str,
    sources: Sequence[str],
    folder: Path,
    include: Sequence[Path] = (),
) -> Path:
    """The program of `text` with other sources; include: of a model's library."""
    source = folder / f"cases_{platform.name}.c"
    source.write_text(text, encoding="ascii")
    program = folder / f"cases_{platform.name}.bin"
    zig = (sys.executable, "-m", "ziglang", "cc")
    command = [
        *((str(require_program(platform.compiler)),) if platform.compiler else zig),
        *(() if platform.compiler else _toolchain_flags(platform.core)),
        *(() if include else _WARNINGS),  # kernels are C99, a model's library is C11
        *platform.compile_flags,
        *(word for path in (*include, KERNELS, HARNESS) for word in ("-I", str(path))),
        *sources,
        str(source),
        str(HARNESS / platform.driver),
        *platform.link_flags,
        *("-o", str(program)),
    ]
    ended = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")
    return program


@cache
def _toolchain_flags(core: str) -> tuple[str, ...]:
    document = yaml.safe_load((TARGETS / "toolchains" / "zig.yaml").read_text("utf-8"))
    own = document["cores"][core]
    return (*document["compile_flags"], *own["flags"], *own["compile_flags"])
