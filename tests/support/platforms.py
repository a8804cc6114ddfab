"""The machines that kernels are compiled for and run on, and the commands that run them."""

from __future__ import annotations

import platform as host
from dataclasses import dataclass
from functools import cache

import pytest
import yaml

from tests.support.programs import MISSING, ROOT, require_program

TARGETS = ROOT / "targets"
HARNESS = ROOT / "tests" / "support" / "harness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A machine that kernels are compiled for, with the default toolchain's flags, and run on."""

    name: str
    core: str  # under targets/cores/: says which variants fit and how they are compiled
    driver: str  # under tests/support/harness/
    runner: tuple[str, ...] = ()  # the program's path is appended; empty: it runs as it is
    compile_flags: tuple[str, ...] = ()  # after the toolchain's
    link_flags: tuple[str, ...] = ()
    compiler: str = ""  # a program of this machine that takes no flag but ours; empty: zig cc


PLATFORMS = (
    Platform(name="x86-64", core="x86-64", driver="linux.c"),
    Platform(
        # Ends with a trap where a kernel does what C leaves undefined; emulated, so that kernels
        # which ask the processor find one without AVX-VNNI, whatever the real one has.
        name="x86-64-undefined",
        core="x86-64",
        driver="linux.c",
        runner=("qemu-x86_64", "-cpu", "Haswell"),
        compile_flags=("-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
    ),
    Platform(
        name="cortex-m4f",
        core="cortex-m4f",
        driver="cortex_m.c",
        runner=(
            "qemu-system-arm",
            *("-machine", "mps2-an386"),
            *("-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            "-kernel",
        ),
        link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{HARNESS / 'cortex_m.ld'}"),
    ),
    Platform(
        name="cortex-m55",
        core="cortex-m55",
        driver="cortex_m.c",
        runner=(
            "qemu-system-arm",
            *("-machine", "mps3-an547"),
            *("-nographic", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            "-kernel",
        ),
        link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{HARNESS / 'cortex_m55.ld'}"),
    ),
    Platform(
        name="cortex-a72",
        core="cortex-a72",
        driver="linux.c",
        runner=("qemu-aarch64", "-cpu", "cortex-a72"),
    ),
    Platform(
        name="wasm32",
        core="wasm32",
        driver="wasm.c",
        runner=("node", str(HARNESS / "run.mjs")),
        link_flags=("-Wl,--no-entry", "-Wl,--export=run_cases"),
    ),
)

# Beside the others, since it runs what they run and is the slowest: only tests of kernels for it
# use it. QEMU's micro:bit is a Cortex-M0 in earnest, which faults where a word is not aligned;
# its memories are made larger than the board's, since programs of tests are.
CORTEX_M0 = Platform(
    name="cortex-m0",
    core="cortex-m0",
    driver="cortex_m.c",
    runner=(
        "qemu-system-arm",
        *("-machine", "microbit"),
        *("-global", "nrf51-soc.flash-size=0x400000", "-global", "nrf51-soc.sram-size=0x400000"),
        *("-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        "-kernel",
    ),
    link_flags=("-Wl,-e,Reset_Handler", f"-Wl,-T,{HARNESS / 'cortex_m.ld'}"),
)
# AArch64 with dot products: only the tests of the kernels that use these run there.
CORTEX_A76 = Platform(
    name="cortex-a76",
    core="cortex-a76",
    driver="linux.c",
    runner=("qemu-aarch64", "-cpu", "cortex-a76"),
)
# RISC-V, for tests/kernels/test_*_rv32.py. In user mode: the instructions are a board's, without
# its memory around them. Ibex has no more extensions than the core's profile.
RV32IMC = Platform(
    name="rv32imc",
    core="rv32imc",
    driver="linux.c",
    runner=("qemu-riscv32", "-cpu", "lowrisc-ibex"),
)
ALL_PLATFORMS = (*PLATFORMS, CORTEX_M0, CORTEX_A76, RV32IMC)
# Ends with a report where a kernel touches what lies beside an array, whatever it does with what
# it read. Debian's GCC, since zig brings no run-time library for this.
X86_ADDRESSES = Platform(
    name="x86-64-addresses",
    core="x86-64",
    driver="hosted.c",
    compiler="gcc",
    compile_flags=(
        *("-O1", "-g", "-march=x86-64-v3", "-ffp-contract=off", "-fno-strict-aliasing"),
        *("-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"),
        "-fno-sanitize-recover=all",
    ),
)
each_platform = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)


@cache
def core_features(core: str) -> frozenset[str]:
    """The ISA features of a core under targets/cores/."""
    document = yaml.safe_load((TARGETS / "cores" / f"{core}.yaml").read_text("utf-8"))
    return frozenset(document["features"])


def runner_of(platform: Platform) -> list[str]:
    """The command that runs a program of `platform`; skips where this machine has none."""
    if platform.runner:
        program, *arguments = platform.runner
        return [str(require_program(program)), *arguments]
    if (host.system(), host.machine()) != ("Linux", "x86_64"):
        pytest.skip(f"{MISSING}Linux on {platform.core}, to run its programs")
    return []
