"""What Anvil generates is C without a warning, -Wconversion included, for every core of a target.

Projects as they are rendered, and once more with a copy of every kernel in C.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from anvil.core.plan import Plan
from tests.support import projects
from tests.support.graphs import small_network
from tests.support.networks import random_network

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anvil.core.graph import Graph

_TARGETS = (
    "nrf52840",
    "microbit",
    "hifive1-revb",
    "corstone300",
    "rpi4",
    "rpi5",
    "linux-x86_64",
    "browser",
)
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_INCLUDE = ("library/include", "library/src", "library/kernels", "firmware", "src")


def _networks() -> dict[str, Graph]:
    return {"small": small_network(), "drawn": random_network(3, n_ops=30)}


def _copied(plan: Plan) -> Plan:
    """With kernels of their own for all calls whose kernel is in C."""
    return replace(
        plan,
        calls=tuple(
            replace(planned, is_specialised=planned.variant.source.endswith(".c"))
            for planned in plan.calls
        ),
    )


def _warnings(plan: Plan, sources: Iterable[str], folder: Path) -> str:
    toolchain = plan.target.toolchain
    command = [
        *(sys.executable, "-m", "ziglang", "cc", "-c"),
        *(*toolchain.core_flags, *toolchain.compile_flags, *_WARNINGS, "-O0"),
        *(word for path in _INCLUDE for word in ("-I", str(folder / path))),
        *(str(folder / source) for source in sorted(sources)),
    ]
    ended = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=600)
    return "" if ended.returncode == 0 else ended.stderr.decode(errors="replace")


@pytest.mark.parametrize("target", _TARGETS)
def test_generated_code_has_no_warning(target: str, tmp_path: Path) -> None:
    for name, graph in _networks().items():
        plan = projects.plan_of(graph, target, name)
        for kind, one in (("shared", plan), ("copied", _copied(plan))):
            folder = tmp_path / f"{name}-{kind}"
            files = projects.render(one)
            projects.write(files, folder)
            sources = {path for path in files if path.endswith(".c")}
            assert sum("_call" in path for path in sources) == (
                sum(planned.is_specialised for planned in one.calls)
            )
            # Both firmwares have a main program, and zig links what one command compiles.
            other = {path for path in sources if path.startswith("firmware/emulator/")}
            assert _warnings(one, sources - other, folder) == ""
            assert not other or _warnings(one, other, folder) == ""


def test_a_warning_would_be_seen(tmp_path: Path) -> None:
    plan = projects.plan_of(small_network(), "browser")
    (tmp_path / "narrow.c").write_text(
        "signed char narrow(int x);\nsigned char narrow(int x) { return x; }\n"
    )
    assert "-Wimplicit-int-conversion" in _warnings(plan, ["narrow.c"], tmp_path)
