"""Contests as on an x86-64 processor with fewer features than the one at hand.

Anvil's kernels ask the processor themselves: in its build that question has another answer, by
files of the project's own. The peers' libraries ask by CPUID, which hidden_features.c answers.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from anvil.plan.costs import table_path
from anvil.plan.kernel_registry import load_variants
from benchmarks.costs.measure import data
from tests.support.programs import ROOT
from tests.support.projects import target

if TYPE_CHECKING:
    from pathlib import Path

# What may be asked for -> the number that kernels/common/x86_level__avx2.h has for it.
X86_LEVELS = {"avx2": 1, "avxvnni": 2}
_KERNEL = "common/x86_level__avx2.c"


def own_files(level: str) -> dict[str, str]:
    """Files of a project's own that hold Anvil's build to a level, by path in its folder.

    Kernels of other sources would have no known costs, and others might be taken: the costs of
    those that are shipped stand for them.
    """
    shipped = data("kernels")
    text = f"#define ANVIL_X86_MOST_LEVEL {X86_LEVELS[level]}\n{shipped[_KERNEL].decode()}"
    table = f"targets/{table_path(target('linux-x86_64'))}"
    costs = (ROOT / table).read_text(encoding="utf-8")
    held = load_variants({**shipped, _KERNEL: text.encode()})
    for before, after in zip(load_variants(shipped), held, strict=True):
        costs = costs.replace(before.digest, after.digest)
    return {f"kernels/{_KERNEL}": text, table: costs}


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
