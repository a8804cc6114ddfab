"""A kernel is right as near to its input as plan/overlap.py says, a scalar one no nearer."""

from __future__ import annotations

import functools
import importlib
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anvil.ops.registry import DEFINITIONS
from anvil.plan.expressions import evaluate
from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts.packing import packed
from anvil.plan.overlap import as_walked, in_place_inputs, smallest_distances
from tests.support.kernel_harness import Case, fits, kernel_files
from tests.support.overlap_program import OverlapCheck, run_checks
from tests.support.platforms import ALL_PLATFORMS, Platform, core_features
from tests.support.x86_platforms import X86_AVX2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.core.plan import KernelCall, Variant
    from anvil.core.tensor import Tensor


def platforms_of(variant: Variant) -> tuple[Platform, ...]:
    """Where a variant is tried: the host, if it runs there, each of its ways."""
    if "avx2" in variant.requires:
        return ALL_PLATFORMS[0], X86_AVX2
    able = (p for p in ALL_PLATFORMS if core_features(p.core).issuperset(variant.requires))
    return tuple(islice(able, 1))


VARIANTS = [
    (variant, platform)
    for variant in load_variants(kernel_files())
    if variant.traversal
    for platform in platforms_of(variant)
]


def _name(one: Variant | Platform) -> str:
    return one.name if isinstance(one, Platform) else one.symbol


_LARGEST = 20_000  # bytes of a tensor
_MOST_CASES = 60  # per variant
IN_PLACE = {"channel_planes", "channel_rows", "channel_sweeps"}


@functools.cache
def calls() -> tuple[tuple[str, KernelCall, tuple[Tensor, ...]], ...]:
    """Every call that the operators' own tests make, and those with other windows."""
    found = []
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.kernels.{file.stem}")
        for case in getattr(module, "CASES", ()):
            assert isinstance(case, Case)
            for call in DEFINITIONS[case.op.kind].lower(case.op, case.graph):
                found.append((case.name, call, case.graph.tensors))
                if "pad_top" in dict(call.parameters):
                    found.append(other_windows(case.name, call, case.graph.tensors))
    return tuple(found)


def other_windows(
    name: str, call: KernelCall, tensors: tuple[Tensor, ...]
) -> tuple[str, KernelCall, tuple[Tensor, ...]]:
    """The same filter over a larger image with any stride and any padding within its reach."""
    rng = random.Random(name)
    fields = dict(call.parameters)
    for axis, padding in (("h", "pad_top"), ("w", "pad_left")):
        reach = (int(fields[f"filter_{axis}"]) - 1) * int(fields.get(f"dilation_{axis}", 1))
        extent, stride = rng.randrange(1, 12), rng.randrange(1, 4)
        before = rng.randrange(reach + 1)
        if "dilation_h" not in fields:  # a pool divides by the pixels that it finds
            before = min(before, extent - 1)
        fields[f"input_{axis}"], fields[f"stride_{axis}"], fields[padding] = extent, stride, before
        fields[f"output_{axis}"] = rng.randrange((extent - 1 + before) // stride + 1) + 1
    resized = list(tensors)
    for index, end in ((call.inputs[0], "input"), (call.outputs[0], "output")):
        batches, _, _, channels = tensors[index].shape
        shape = (batches, int(fields[f"{end}_h"]), int(fields[f"{end}_w"]), channels)
        resized[index] = replace(tensors[index], shape=shape)
    changed = replace(call, parameters=tuple(fields.items()))
    return f"{name} with other windows", changed, tuple(resized)


def checks_of(variant: Variant, *, in_place: bool = False) -> Iterator[OverlapCheck]:
    """One after another, since packing takes its time and a sample is enough."""
    some = list(calls())
    random.Random(1).shuffle(some)
    for name, call, tensors in some:
        if (call.op, call.dtype) != (variant.op, variant.dtype) or len(call.outputs) != 1:
            continue
        if max(tensors[i].n_bytes for i in (*call.inputs, *call.outputs)) > _LARGEST:
            continue
        if not fits(variant, call):
            continue
        taken = packed(variant, call)
        walked = as_walked(call, taken)
        found = smallest_distances(variant.traversal, walked, tensors)
        if in_place:
            found = dict.fromkeys(in_place_inputs(variant.traversal, walked, tensors), 0)
        for over, distance in found.items():
            yield OverlapCheck(
                name=name,
                call=taken,
                variant=variant,
                scratch_bytes=int(evaluate(variant.scratch_bytes, dict(call.parameters))),
                tensors=tensors,
                over=over,
                distance_bytes=distance,
            )


@pytest.mark.parametrize(("variant", "platform"), VARIANTS, ids=_name)
def test_the_distance_is_the_smallest(variant: Variant, platform: Platform, tmp_path: Path) -> None:
    checks = list(islice(checks_of(variant), _MOST_CASES))
    assert checks, "no case overlaps"
    results = list(zip(checks, run_checks(platform, checks, tmp_path), strict=True))
    wrong = [(c.name, c.over, c.distance_bytes) for c, (is_right, _) in results if not is_right]
    assert wrong == []
    if variant.isa != "scalar" and variant.traversal not in IN_PLACE:
        return  # it may read long before it writes; its traversal promises no less than that
    # Where the output is one value, or saturates, it can be right by chance.
    nearer = [is_right for c, (_, is_right) in results if c.distance_bytes > -c.source.n_bytes]
    assert nearer.count(False) >= len(nearer) / 4


@pytest.mark.parametrize(
    ("variant", "platform"),
    [(v, p) for v, p in VARIANTS if v.traversal in IN_PLACE],
    ids=_name,
)
def test_in_place_is_right(variant: Variant, platform: Platform, tmp_path: Path) -> None:
    checks = list(islice(checks_of(variant, in_place=True), _MOST_CASES))
    assert checks, "no case runs in place"
    results = zip(checks, run_checks(platform, checks, tmp_path), strict=True)
    assert [check.name for check, (is_right, _) in results if not is_right] == []
