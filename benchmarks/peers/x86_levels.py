"""Contests as on an x86-64 processor with fewer features than the one at hand.

Anvil's kernels ask the processor themselves: in its build that question has another answer, by a
file of the project's own. The peers' libraries ask by CPUID, which hidden_features.c answers.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# What may be asked for -> the number that kernels/common/x86_level__avx2.h has for it.
X86_LEVELS = {"avx2": 1, "avxvnni": 2}
_KERNEL = "common/x86_level__avx2.c"


def own_kernels(level: str) -> dict[str, str]:
    """Files of a project's own kernels/ folder that hold Anvil's build to a level."""
    built_in = (ROOT / "kernels" / _KERNEL).read_text(encoding="utf-8")
    return {_KERNEL: f"#define ANVIL_X86_MOST_LEVEL {X86_LEVELS[level]}\n{built_in}"}


def hiding(level: str, work: Path) -> dict[str, str]:
    """The environment in which libraries find no more than a level.

    Raises SystemExit where the processor or the system cannot hide what it has.
    """
    library = work / "hidden_features.so"
    source = ROOT / "benchmarks" / "peers" / "hidden_features.c"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-O1", "-shared", "-fPIC"]
    subprocess.run([*compiler, str(source), "-o", str(library)], check=True)
    environment = {"LD_PRELOAD": str(library), "ANVIL_PEERS_X86_LEVEL": level}
    tried = subprocess.run(
        ["/bin/true"], env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if tried.returncode != 0:
        raise SystemExit(f"error: --x86-level: {tried.stderr.strip()}")
    return environment
