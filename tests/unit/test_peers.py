"""benchmarks/peers: fair turns, peers that are pinned by what they are, processors held back."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from anvil.plan.costs import load_costs
from anvil.plan.kernel_registry import load_variants
from benchmarks.costs.measure import data
from benchmarks.peers.contest import contest
from benchmarks.peers.x86_levels import hiding, own_files
from tests.support.programs import MISSING, ROOT
from tests.support.projects import target

if TYPE_CHECKING:
    from pathlib import Path

_NPM = ROOT / "benchmarks" / "peers" / "npm"


def test_ratios_are_of_batches_that_ran_side_by_side() -> None:
    turns: list[tuple[str, int]] = []
    # The machine slows down to a tenth; the ratio stays.
    nanoseconds = {"Anvil": 1e6, "a peer": 2e6}

    def contender(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        def run(n: int) -> float:
            turns.append((name, n))
            slowdown = 10 if len(turns) > 16 else 1
            return nanoseconds[name] * slowdown

        return run

    found = contest({name: contender(name) for name in nanoseconds})
    assert found["Anvil"].ratio is None
    assert found["a peer"].ratio == pytest.approx(0.5)
    timed = turns[4:]  # two calls of each say how long a batch is
    assert [name for name, _ in timed] == ["Anvil", "a peer"] * 15
    assert set(timed) == {("Anvil", 40), ("a peer", 20)}
    assert found["Anvil"].nanoseconds == 1e7


def test_the_browser_s_peers_are_pinned_by_digest_and_name_no_host() -> None:
    lock = json.loads((_NPM / "package-lock.json").read_bytes())
    wanted = json.loads((_NPM / "package.json").read_bytes())["dependencies"]
    packages = {path: one for path, one in lock["packages"].items() if path}
    assert wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for one in packages.values():
        assert re.fullmatch(r"sha512-[0-9A-Za-z+/]{86}==", one["integrity"])
        assert "resolved" not in one
    assert "://" not in (_NPM / "package-lock.json").read_text(encoding="utf-8")


def test_the_native_peers_are_pinned_with_anvil_s_own_versions() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    peers, own = pins("peers.txt"), pins("anvil.txt")
    assert {"ai-edge-litert", "onnx", "onnxruntime"} <= peers.keys()
    shared = peers.keys() & own.keys()
    assert {name: peers[name] for name in shared} == {name: own[name] for name in shared}


_ASKS = """
#include <cpuid.h>
#include <stdio.h>
int main(void) {
  unsigned a, b, c, d, has_vnni;
  __cpuid_count(7, 1, a, b, c, d);
  has_vnni = a >> 4 & 1;
  __cpuid_count(7, 0, a, b, c, d);
  printf("%u %u %u\\n", b >> 5 & 1, has_vnni, b >> 16 & 1);
}
"""


def test_a_program_finds_no_more_than_the_level_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "asks.c").write_text(_ASKS, encoding="utf-8")
    program = str(tmp_path / "asks")
    compiler = [sys.executable, "-m", "ziglang", "cc"]  # dynamically linked
    subprocess.run([*compiler, str(tmp_path / "asks.c"), "-o", program], check=True)

    def found(**environment: str) -> list[str]:
        ran = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.split()

    avx2, vnni, _ = found()
    try:
        only_avx2, with_vnni = (hiding(level, tmp_path) for level in ("avx2", "avxvnni"))
    except SystemExit as error:
        pytest.skip(f"{MISSING}a way to hide features ({error})")
    assert found(**only_avx2) == [avx2, "0", "0"]
    assert found(**with_vnni) == [avx2, vnni, "0"]


@pytest.mark.parametrize(
    ("level", "number"), [("avx2", "ANVIL_X86_AVX2 = 1,"), ("avxvnni", "ANVIL_X86_AVXVNNI = 2,")]
)
def test_kernels_are_held_to_the_same_level_and_cost_what_is_known(level: str, number: str) -> None:
    (kernel, text), (table, costs) = own_files(level).items()
    header = (ROOT / kernel).with_suffix(".h").read_text(encoding="utf-8")
    assert number in header
    assert text.startswith(f"#define ANVIL_X86_MOST_LEVEL {number[-2]}\n")
    assert "#ifndef ANVIL_X86_MOST_LEVEL" in text
    held = load_variants({**data("kernels"), kernel.removeprefix("kernels/"): text.encode()})
    shipped = {variant.symbol: variant.digest for variant in load_variants(data("kernels"))}
    known = load_costs({table.removeprefix("targets/"): costs.encode()}, target("linux-x86_64"))
    assert known is not None
    kernels = [variant for variant in held if "avx2" in variant.requires]
    assert all(known.kernel(variant) is not None for variant in kernels)
    assert any(variant.digest != shipped[variant.symbol] for variant in kernels)
