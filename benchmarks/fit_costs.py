"""Fits the cost tables that `anvil plan` predicts from, on real builds and counted runs.

    python -m benchmarks.fit_costs [--target NAME] [--all] [--programs] [--copies]
    python -m benchmarks.fit_costs --check

Without --all only those kernels are measured that targets/costs/ does not know, or knows from
another source, and programs where their templates have changed. For each kernel, random models
of one operator are planned, built with the target's own toolchain and run in QEMU, where a
plugin counts instructions call by call; coefficients come from non-negative least squares, over
the terms that the variant names in kernels.yaml or else over its operator's. With --copies those
of them that are int8 kernels in C are compiled once more for each call alone, where instructions
are counted, and stand in the table as such where that spends less and can be foretold. Where
instructions cannot be counted (x86-64, WebAssembly), nanoseconds are measured on this computer,
and the table names its processor. Sizes are those of the kernel linked by itself; the rest of a
program is fitted on builds of several models. Run it in the repository's root after a kernel, a
template or the toolchain has changed; it needs qemu-system-arm, qemu-system-riscv32, qemu-aarch64
and node, and takes some minutes for each target.

--check prints predicted against measured for the benchmark models.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from anvil.core.diagnostics import AnvilError
from anvil.core.digest import digest_of, key_of
from anvil.core.plan import SPECIALISED
from anvil.ops.registry import DEFINITIONS
from anvil.plan.features import call_names, evaluate_linear
from anvil.plan.kernel_registry import load_variants
from anvil.plan.make import make_plan
from benchmarks.costs import check, times
from benchmarks.costs.cases import (
    COUNTED_SIZES,
    FAMILIES,
    GENERATORS,
    TIMED_SIZES,
    cases,
    merged,
)
from benchmarks.costs.linear import features_of, fit
from benchmarks.costs.measure import build, count, data, program_of
from benchmarks.costs.programs import fit_program
from benchmarks.costs.sizes import elf_functions, kernel_size
from benchmarks.costs.table import empty_table, read_table, write_table
from tests.support.networks import random_network
from tests.support.programs import ROOT
from tests.support.projects import target as built_in_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anvil.core.graph import Graph
    from anvil.core.plan import Plan, Variant
    from anvil.core.target import Target
    from anvil.plan.features import Names

TARGETS = (
    *("nrf52840", "corstone300", "microbit", "hifive1-revb", "rpi4", "rpi5"),
    *("linux-x86_64", "browser"),
)
COUNTED = {"nrf52840", "corstone300", "microbit", "hifive1-revb", "rpi4", "rpi5"}
_SHA256 = "c0" * 32
_SEED = 3
_MOST_SEEDS = 8  # of cases, where those before call a kernel too seldom
_CALLS_PER_PLAN = 90
_WITHOUT_VECTORS = {"armv6-m", "armv7-m", "armv7e-m", "armv8-m.main", "rv32imc"}
_ARENA_LIMIT = 150 * 1024
_LEAST_RAM = 256 * 1024
_LEAST_FLASH = 2 * 1024**2
_FEWEST_TERMS = 2  # a constant alone says nothing: then those of the operator hold
_COPIED_DTYPE = "int8"  # of the kernels of which copies for single calls are measured
_LEAST_GAIN = 0.95  # of the shared kernel's instructions: what costs more does not pay
_CALLS_PER_TERM = 2  # of a copy's function, or it says nothing of other calls
_MOST_COPY_ERROR = 0.1  # of nine in ten: what cannot be foretold better cannot be weighed
# Names and operators of the networks that show what a program costs besides its kernels.
_NETWORKS = (
    ("p", 1), ("cost", 3), ("a_longer_name", 5), ("m", 8), ("costs_again", 12), ("x", 16),
    ("medium", 22), ("the_largest_of_all", 30),
)  # fmt: skip

_Sample = tuple["Names", float, float]  # of a call: names, instructions or nanoseconds, cycles


def plan_of(graph: Graph, target: Target, variants: Sequence[Variant]) -> Plan | None:
    """The plan that Anvil makes of a graph; None where there is no kernel for its types."""
    try:
        return make_plan(
            graph,
            name="cost",
            target=target,
            variants=variants,
            definitions=DEFINITIONS,
            model_sha256=_SHA256,
        )
    except AnvilError:
        return None


def rounds(variants: Sequence[Variant]) -> Iterator[list[Variant]]:
    """The variants in several orders, so that each is the preferred one of its kind once."""
    kinds: dict[tuple[str, str], list[Variant]] = {}
    for variant in variants:
        kinds.setdefault((variant.op, variant.dtype), []).append(variant)
    for turn in range(max(map(len, kinds.values()))):
        yield [
            v
            for found in kinds.values()
            for v in found[turn % len(found) :] + found[: turn % len(found)]
        ]


def case_plans(
    target: Target, variants: Sequence[Variant], wanted: set[str], seed: int
) -> Iterator[Plan]:
    """Plans of many calls that all use wanted variants."""
    pending: list[Plan] = []
    sizes = COUNTED_SIZES if target.name in COUNTED else TIMED_SIZES
    ops = {variant.op for variant in variants if variant.symbol in wanted}
    for kind, family in itertools.product(sorted(GENERATORS), FAMILIES):
        for graph in cases(kind, family, seed, sizes, ops):
            plan = plan_of(graph, target, variants)
            if plan is None or not wanted & {p.variant.symbol for p in plan.calls}:
                continue
            pending.append(plan)
            arena = sum(one.arena_bytes for one in pending)
            if len(pending) == _CALLS_PER_PLAN or arena > _ARENA_LIMIT:
                yield merged(pending, "cost")
                pending = []
    if pending:
        yield merged(pending, "cost")


def sampled(
    target: Target, wanted: Sequence[Variant], model: Mapping[str, Any] | None
) -> dict[str, list[_Sample]]:
    """What calls of each wanted variant cost, by symbol.

    Cases of one seed after another, until each variant has more of them than its function
    has coefficients, and some more.
    """
    samples: dict[str, list[_Sample]] = {variant.symbol: [] for variant in wanted}
    for seed in range(_SEED, _SEED + _MOST_SEEDS):
        for variants in rounds(load_variants(data("kernels"))):
            first = {(v.op, v.dtype): v.symbol for v in reversed(variants)}.values()
            open_ = {
                variant.symbol
                for variant in wanted
                if variant.symbol in first
                and len(samples[variant.symbol]) < 10 + 2 * len(variant.cost_terms)
                and (seed < _SEED + 2 or samples[variant.symbol])
            }
            for plan in case_plans(target, variants, open_, seed) if open_ else ():
                for planned, costs in zip(plan.calls, spent(plan, model), strict=True):
                    if planned.variant.symbol in open_:
                        row = (call_names(planned.lowered, plan.graph, planned.call), *costs)
                        samples[planned.variant.symbol].append(row)
    return samples


@dataclass(kw_only=True)
class _Copies:
    """Copies of one kernel, each compiled for one call."""

    rows: list[_Sample]
    shared: float  # instructions of the same calls by the shared kernel
    code_bytes: int  # of the largest
    stack_bytes: int  # of the deepest


def specialised(
    target: Target, wanted: Sequence[Variant], model: Mapping[str, Any]
) -> dict[str, _Copies]:
    """What calls cost where each has a kernel of its own, by symbol."""
    found: dict[str, _Copies] = {}
    for variants in rounds(load_variants(data("kernels"))):
        first = {(v.op, v.dtype): v.symbol for v in reversed(variants)}.values()
        open_ = {v.symbol for v in wanted if v.symbol in first and v.symbol not in found}
        for plan in case_plans(target, variants, open_, _SEED) if open_ else ():
            calls = [replace(p, is_specialised=p.variant.symbol in open_) for p in plan.calls]
            own = replace(plan, calls=tuple(calls))
            functions = {f.name: f for f in elf_functions(program_of(own, build(own)))}
            every = zip(own.calls, spent(own, model), spent(plan, model), strict=True)
            for number, (planned, costs, shared) in enumerate(every):
                if not planned.is_specialised:
                    continue
                copies = found.setdefault(
                    planned.variant.symbol, _Copies(rows=[], shared=0, code_bytes=0, stack_bytes=0)
                )
                copies.rows.append((call_names(planned.lowered, own.graph, planned.call), *costs))
                copies.shared += shared[0]
                function = functions[f"{own.name}_call{number}"]
                copies.code_bytes = max(copies.code_bytes, function.code_bytes)
                copies.stack_bytes = max(copies.stack_bytes, function.frame_bytes)
    return found


def measure_copies(
    target: Target, table: dict[str, Any], wanted: Sequence[Variant], model: Mapping[str, Any]
) -> None:
    """The wanted variants compiled for single calls, into the table where that pays."""
    copied = [v for v in wanted if v.source.endswith(".c") and v.dtype == _COPIED_DTYPE]
    by_symbol = {variant.symbol: variant for variant in copied}
    for symbol, copies in sorted(specialised(target, copied, model).items()):
        gain = sum(row[1] for row in copies.rows) / copies.shared
        shared = table["kernels"][symbol]
        print(f"  {symbol}{SPECIALISED}: {gain:.3f} of the instructions", flush=True)
        n_terms = len(by_symbol[symbol].cost_terms)
        if gain > _LEAST_GAIN or len(copies.rows) < _CALLS_PER_TERM * n_terms:
            continue
        linears, error = _linears(target, by_symbol[symbol], copies.rows)
        if error > _MOST_COPY_ERROR:
            continue
        helpers = list(shared.get("helpers", ()))
        deepest = sum(table["helpers"][name]["stack"] for name in helpers)
        entry = {
            "source": shared["source"],
            "code": copies.code_bytes,
            "stack": copies.stack_bytes + deepest,
        }
        if helpers:
            entry["helpers"] = helpers
        table["kernels"][symbol + SPECIALISED] = entry | linears


def spent(plan: Plan, model: Mapping[str, Any] | None) -> list[tuple[float, float]]:
    """Of each call: instructions and cycles, or nanoseconds and nothing."""
    if plan.target.name not in COUNTED:
        return [(nanoseconds, 0.0) for nanoseconds in times.nanoseconds(plan)]
    assert model is not None, "a core whose instructions are counted has a model of cycles"
    counted = count(plan, build(plan), _SEED)
    return list(zip(counted.calls, counted.cycles(model), strict=True))


def measure_kernels(
    target: Target, table: dict[str, Any], wanted: list[Variant], model: Mapping[str, Any] | None
) -> None:
    """Sizes, instructions, cycles and nanoseconds of the wanted variants, into the table."""
    samples = sampled(target, wanted, model)
    for variant in wanted:
        size = kernel_size(target, variant)
        table["helpers"] |= {
            name: {"code": code, "stack": stack} for name, (code, stack) in size.helpers.items()
        }
        entry: dict[str, Any] = {
            "source": variant.digest,
            "code": size.code_bytes,
            "stack": size.frame_bytes + sum(stack for _, stack in size.helpers.values()),
        }
        if size.helpers:
            entry["helpers"] = sorted(size.helpers)
        entry |= _linears(target, variant, samples[variant.symbol])[0]
        table["kernels"][variant.symbol] = entry


def _linears(
    target: Target, variant: Variant, rows: Sequence[_Sample]
) -> tuple[dict[str, Any], float]:
    """The fitted functions of one kernel and how far off they are, of which a line is printed."""
    if not rows:
        print(f"  {variant.symbol}: no case calls it; sizes only", flush=True)
        return {}, 0.0
    names = [row[0] for row in rows]
    vectors = target.core.architecture not in _WITHOUT_VECTORS
    features = variant.cost_terms
    if len(features) < _FEWEST_TERMS:
        features = features_of(variant.op, names, vectors=vectors)
    columns = {"instructions": 1, "cycles": 2} if target.name in COUNTED else {"nanoseconds": 1}
    found: dict[str, Any] = {}
    worst = 0.0
    for figure, column in columns.items():
        costs = [row[1] if column == 1 else row[2] for row in rows]
        linear = fit(features, names, costs)
        found[figure] = dict(linear)
        errors = [
            abs((evaluate_linear(linear, case) or 0.0) / cost - 1)
            for case, cost in zip(names, costs, strict=True)
        ]
        worst = max(worst, float(np.percentile(errors, 90)))
    print(f"  {variant.symbol}: {len(rows)} calls, nine of ten within {worst:.1%}", flush=True)
    return found, worst


def templates_digest(build_kind: str) -> str:
    """SHA-256 of the templates that one kind of project is made from."""
    folders = {
        "platformio": ("firmware/", "library/", "platformio/"),
        "cmake": ("cmake/", "library/"),
        "web": ("cmake/", "library/", "web/"),
    }[build_kind]
    return key_of(
        {
            path: digest_of(content).sha256
            for path, content in data("templates").items()
            if path.startswith(folders)
        }
    )


def measure_program(target: Target, table: dict[str, Any]) -> None:
    """What a program adds to its kernels, into the table."""
    variants = load_variants(data("kernels"))
    built = []
    for number, (name, n_ops) in enumerate(_NETWORKS):
        graph = random_network(number, n_ops=n_ops)
        # As many outputs as models have, and names of several lengths.
        named = [replace(tensor, name=tensor.name * (1 + number % 3)) for tensor in graph.tensors]
        graph = replace(graph, outputs=graph.outputs[: 1 + number % 2], tensors=tuple(named))
        plan = plan_of(graph, target, variants)
        assert plan is not None
        plan = replace(plan, name=name)
        outputs = build(plan)
        base = 0
        if target.name in COUNTED:
            base = count(plan, outputs, _SEED).run.slot_instructions[0]
        built.append((plan, outputs, base))
    entry = {"templates": templates_digest(target.build), **fit_program(built, table)}
    table["programs"][target.build] = entry
    print(f"  {target.build}: {table['programs'][target.build]}", flush=True)


def _with_room(target: Target) -> Target:
    """The target with as much RAM as the cases need, and flash; its emulator has both."""
    if target.ram is None or target.flash is None or target.ram.size_bytes >= _LEAST_RAM:
        return target
    flash = replace(target.flash, size_bytes=max(target.flash.size_bytes, _LEAST_FLASH))
    return replace(target, flash=flash, ram=replace(target.ram, size_bytes=_LEAST_RAM))


def fit_target(name: str, *, everything: bool, programs: bool, copies: bool) -> None:
    """Bring the table of one target's core and toolchain up to date."""
    target = _with_room(built_in_target(name))
    table = empty_table(target) if everything else read_table(target)
    core = yaml.safe_load((ROOT / "targets" / "cores" / f"{target.core.name}.yaml").read_bytes())
    features = set(target.core.features)
    variants = [v for v in load_variants(data("kernels")) if set(v.requires) <= features]
    wanted = [v for v in variants if table["kernels"].get(v.symbol, {}).get("source") != v.digest]
    print(f"{name}: {len(wanted)} of {len(variants)} kernels to measure", flush=True)
    stale = {variant.symbol for variant in wanted}
    table["kernels"] = {
        symbol: entry
        for symbol, entry in table["kernels"].items()
        if symbol.removesuffix(SPECIALISED) in {v.symbol for v in variants} - stale
    }
    measure_kernels(target, table, wanted, core.get("cycles"))
    if copies:
        measure_copies(target, table, wanted, core["cycles"])
    used = {helper for entry in table["kernels"].values() for helper in entry.get("helpers", ())}
    table["helpers"] = {name: size for name, size in table["helpers"].items() if name in used}
    known = table["programs"].get(target.build, {}).get("templates")
    if name not in COUNTED:
        table["fitted"]["machine"] = times.machine()
    write_table(target, table)
    if programs or known != templates_digest(target.build):
        measure_program(target, table)
        write_table(target, table)


def main() -> None:
    """Fit, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--all", action="store_true", help="measure every kernel anew")
    parser.add_argument("--programs", action="store_true", help="measure programs anew")
    parser.add_argument("--copies", action="store_true", help="measure copies for single calls")
    parser.add_argument("--check", action="store_true", help="predicted against measured")
    arguments = parser.parse_args()
    for name in arguments.target or TARGETS:
        if arguments.check:
            check.check(name)
        else:
            fit_target(
                name,
                everything=arguments.all,
                programs=arguments.programs,
                copies=arguments.copies and name in COUNTED,
            )


if __name__ == "__main__":
    main()
