"""The benchmark models on every emulated target: instructions, cycles and bytes, beside goals.

    python -m benchmarks.kernel_tables [--models DIR] [--model kws ...] [--layers] [--out FILE]

Each model is built by `anvil verify`, so that every figure is of a program whose outputs equal the
reference's in the same run; instructions and cycles are those of `anvil bench`. Everything is of
the default optimization, but for the code that `--optimize size` gives. Cycles follow the core's
model, without wait states, which have a row of their own where the board's profile names them.
published.yaml has what is compared with, and how it was measured. QEMU, for Arm's
microcontrollers and 64-bit Linux, and Node are wanted. Nothing is timed here:
`python -m benchmarks.peers` does that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.programs import ROOT, SHARED_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_COUNTED = ("nrf52840", "corstone300", "rpi4", "rpi5")
_BROWSER = "browser"
_QUANTITIES = {
    "instructions": "instructions",
    "cycles": "cycles by the model",
    "wait_cycles": "waiting for flash besides, at most",
    "code": "code bytes, all but weights",
    "code_for_size": "the same, --optimize size",
    "arena": "arena bytes",
}
_MILLION = 1_000_000

Figures = dict[str, dict[str, float]]  # target -> quantity -> value


def main() -> None:
    """Measure every model and print a table for each target."""
    published = yaml.safe_load(Path(__file__).with_name("published.yaml").read_bytes())
    known = tuple(published["goals"]["nrf52840"]["instructions"])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--models", type=Path, default=SHARED_MODELS, metavar="DIR")
    parser.add_argument("--model", choices=known, action="append", help="repeatable")
    parser.add_argument("--layers", action="store_true", help="also `anvil bench`'s tables")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the tables, also as a file")
    arguments = parser.parse_args()
    wanted = arguments.model or known
    files = {name: arguments.models.resolve() / f"{name}.int8.tflite" for name in wanted}
    there = {name: file for name, file in files.items() if file.is_file()}
    if not there:
        parser.error(f"there is no model in {arguments.models}; name their folder with --models")
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="anvil-tables-") as work:
        for name, file in there.items():
            print(f"measuring {name}", file=sys.stderr, flush=True)
            found[name] = measure(Path(work) / name, file, name, layers=arguments.layers)
    lines = list(tables(found, published))
    print("\n".join(lines))
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


# Measuring.


def measure(folder: Path, model: Path, name: str, *, layers: bool) -> Figures:
    """A model's figures by target. Raises SystemExit where a target does not pass."""
    folder.mkdir()
    listed = ", ".join(f"{target}: {{}}" for target in (*_COUNTED, _BROWSER))
    text = f"version: 1\nname: {name}\nmodel: {json.dumps(str(model))}\ntargets: {{{listed}}}\n"
    (folder / "anvil.yaml").write_text(text, encoding="utf-8")
    _anvil("verify", folder)
    spent = _anvil("bench", folder, "--target", ",".join(_COUNTED))
    found: Figures = {target: _sizes(folder / "build" / target) for target in _COUNTED}
    found[_BROWSER] = _web_sizes(folder / "build" / _BROWSER, name)
    for row in spent["targets"]:
        found[row["target"]] |= {
            quantity: row["total"][quantity]
            for quantity in ("instructions", "cycles", "wait_cycles")
        }
        if layers:
            _print_layers(name, row)
    _anvil("verify", folder, "--target", "nrf52840", "--optimize", "size", "--out", folder / "size")
    found["nrf52840"]["code_for_size"] = _sizes(folder / "size" / "nrf52840")["code"]
    return found


def _anvil(command: str, folder: Path, *words: object) -> dict[str, Any]:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "anvil", command, "--json", "--project", str(folder)),
            *map(str, words),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    document: dict[str, Any] = json.loads(ended.stdout)
    if ended.returncode != 0:
        raise SystemExit(json.dumps(document["diagnostics"], indent=2))
    return document


def _sizes(folder: Path) -> dict[str, float]:
    measured = json.loads((folder / "measured.json").read_bytes())
    return {"code": measured["flash_bytes"]["code"], "arena": measured["arena_bytes"]}


def _web_sizes(folder: Path, name: str) -> dict[str, float]:
    """Code is the .wasm with its module, all but weights."""
    weights = json.loads((folder / "measured.json").read_bytes())["flash_bytes"]["weights"]
    shipped = sum((folder / f"{name}{suffix}").stat().st_size for suffix in (".wasm", ".mjs"))
    return {"code": shipped - weights}


def _print_layers(name: str, row: Mapping[str, Any]) -> None:
    print(f"\n{name} on {row['target']}")
    for layer in row["layers"]:
        spent = f"{layer['instructions']:>11,} {layer['cycles']:>11,}"
        per_mac = "" if layer["per_mac"] is None else f"{layer['per_mac']:.2f}"
        print(f"{layer['index']:>4} {layer['macs']:>11,} {spent} {per_mac:>6} {layer['variant']}")


# The tables.


def tables(found: Mapping[str, Figures], published: Mapping[str, Any]) -> Iterator[str]:
    """Markdown: of each target, a row for each quantity with its goal and peers."""
    names = list(found)
    for target in (*_COUNTED, _BROWSER):
        goals = published["goals"].get(target, {})
        yield ""
        yield f"| {target} | {' | '.join(names)} |"
        yield "|---" * (1 + len(names)) + "|"
        for quantity, label in _QUANTITIES.items():
            values = {name: found[name][target].get(quantity) for name in names}
            if None in values.values():
                continue
            yield _row(label, [_shown(values[name]) for name in names])
            goal = goals.get(quantity)
            if goal is not None:
                cells = [_verdict(values[name], goal.get(name)) for name in names]
                yield _row("at most", cells)
            yield from _peers(target, quantity, values, published["peers"])


def _peers(
    target: str, quantity: str, values: Mapping[str, float | None], peers: Mapping[str, Any]
) -> Iterator[str]:
    for peer, figures in peers.items():
        theirs = figures.get(target, {}).get(quantity)
        if theirs is not None:
            cells = [
                f"{(value or 0) / theirs[name]:.2f}" if name in theirs else ""
                for name, value in values.items()
            ]
            yield _row(f"of {peer}", cells)


def _verdict(value: float | None, goal: float | None) -> str:
    if value is None or goal is None:
        return ""
    return f"{_shown(goal)} {'reached' if value <= goal else 'missed'}"


def _shown(value: float | None) -> str:
    """A count as the goals have it: in millions with three digits, or whole.

    >>> _shown(3_312_345), _shown(65_000_000), _shown(9788), _shown(330_000)
    ('3.31 M', '65.0 M', '9,788', '0.330 M')
    """
    if value is None:
        return ""
    if value < _MILLION / 20:
        return f"{value:,.0f}"
    millions = value / _MILLION
    digits = 3 if millions < 1 else 2 if millions < 10 else 1
    return f"{millions:.{digits}f} M"


def _row(label: str, cells: Sequence[str]) -> str:
    return f"| {label} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
