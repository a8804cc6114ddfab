"""benchmarks/peers: fair turns, and peers that are pinned by what they are, not where they lie."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.peers.contest import contest
from tests.support.programs import ROOT

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
