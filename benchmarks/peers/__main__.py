"""Anvil beside its peers, side by side on this machine: one table.

    python -m benchmarks.peers [--models DIR] [--model kws ...] [--only native|browser]
                               [--x86-level avx2|avxvnni] [--out FILE]

Anvil's builds are those of the default optimization, verified against the reference in the same
run. Native peers: LiteRT with XNNPACK and with its own kernels, and ONNX Runtime on the same
weights as ONNX (onnx_model.py), through their Python packages; the clock is around one inference,
and Python's part of it is about a microsecond. In Chromium: tfjs-tflite's infer() on int8 models,
beside all of our module's invoke(), copies included; LiteRT.js on float32 models, since it
refuses int8 inputs. One thread everywhere. Contenders take turns batch by batch; times are medians
of 15 batches, and a ratio is the median of the ratios within one turn, so that it says more than
the times do where others use the machine.

With --x86-level native programs find no more than AVX2, or AVX-VNNI besides, whatever the processor
has (x86_levels.py); it takes an Intel processor whose Linux lets CPUID fault.

The peers are pinned by hash in requirements/peers.txt and benchmarks/peers/npm/, and installed
into Anvil's cache folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.units import duration
from anvil.verify.call_times import processor
from benchmarks.peers.browser import browser_contests, versions
from benchmarks.peers.environment import node_modules, peers_python
from benchmarks.peers.native import PEERS, native_contests
from benchmarks.peers.x86_levels import X86_LEVELS
from tests.support.programs import SHARED_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.peers.contest import Standing

_MODELS = ("kws", "vww", "ic", "ad", "sww")
# At most so much of the peer's time.
_NATIVE_GOALS = {"kws": 0.6, "vww": 0.6, "sww": 0.6, "ic": 0.7, "ad": 1.0}
_BROWSER_GOALS = {"kws int8": 0.7, "vww int8": 0.7, "ic int8": 0.7}


def main() -> None:
    """Run the contests and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", type=Path, default=SHARED_MODELS, metavar="DIR")
    parser.add_argument("--model", choices=_MODELS, action="append", help="repeatable")
    parser.add_argument("--only", choices=("native", "browser"))
    parser.add_argument("--out", type=Path, metavar="FILE", help="the tables, also as a file")
    parser.add_argument("--x86-level", choices=tuple(X86_LEVELS), help="as if it had no more")
    arguments = parser.parse_args()
    names = [
        name
        for name in arguments.model or _MODELS
        if (arguments.models / f"{name}.int8.tflite").is_file()
    ]
    if not names:
        parser.error(f"there is no model in {arguments.models}; name their folder with --models")
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="anvil-peers-") as name:
        work = Path(name)
        level = arguments.x86_level
        for line in _tables(arguments.only, arguments.models.resolve(), names, work, level):
            print(line, flush=True)
            lines.append(line)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tables(
    only: str | None, models: Path, names: Sequence[str], work: Path, level: str | None
) -> Iterator[str]:
    today = dt.datetime.now(tz=dt.UTC).date()
    yield f"{processor()}, {platform.system()} {platform.release()}, {today}, one thread"
    if only != "browser":
        if level is not None:
            yield f"native programs as on a processor that has no more than {level}"
        yield from _native(models, names, work, level)
    if only != "native":
        packages = node_modules()
        yield ""
        yield ", ".join(versions(packages))
        yield ""
        yield "| model | Anvil | peer | | Anvil / peer | goal |"
        yield "|---|---|---|---|---|---|"
        left_out: list[str] = []
        for name, standings in browser_contests(models, names, packages, work):
            if isinstance(standings, str):
                left_out.append(f"{name} is left out: {standings.replace(f'{models}/', '')}")
                continue
            own, peer = standings.values()
            cells = [name, _time(own), list(standings)[1], _time(peer)]
            yield _row([*cells, f"{peer.ratio:.2f}", _verdict(peer, _BROWSER_GOALS.get(name))])
        yield from ("", *left_out)


def _native(models: Path, names: Sequence[str], work: Path, level: str | None) -> Iterator[str]:
    for number, (name, standings, said) in enumerate(
        native_contests(models, names, peers_python(), work, level)
    ):
        if number == 0:
            yield ", ".join(dict.fromkeys(said))
            yield ""
            yield _row(["model", "Anvil", *PEERS, *(f"Anvil / {p}" for p in PEERS), "goal"])
            yield "|---" * (3 + 2 * len(PEERS)) + "|"
        ratios = [f"{standings[peer].ratio:.2f}" for peer in PEERS]
        verdict = _verdict(standings[PEERS[0]], _NATIVE_GOALS[name])
        yield _row([name, *(_time(standings[one]) for one in ("Anvil", *PEERS)), *ratios, verdict])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _time(standing: Standing) -> str:
    return duration(standing.nanoseconds * 1e-9)


def _verdict(peer: Standing, goal: float | None) -> str:
    if goal is None or peer.ratio is None:
        return ""
    return f"{goal} {'reached' if peer.ratio <= goal else 'missed'}"


if __name__ == "__main__":
    main()
