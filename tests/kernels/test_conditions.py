"""What just meets and what just misses each condition of each kernel, and who takes it then.

The conditions are those of kernels.yaml (`when`, one by one) and all that a layout refuses. They
are read from the files, so that a new one without a case here fails.
"""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anvil.ops.registry import DEFINITIONS
from anvil.plan.expressions import evaluate
from anvil.plan.kernel_registry import load_variants
from anvil.plan.layouts.packing import NotPackable, layout_of
from anvil.plan.select import feasible
from tests.support.condition_walks import walks
from tests.support.kernel_harness import Case, check_kernels, check_references, kernel_files
from tests.support.platforms import ALL_PLATFORMS, Platform, core_features
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anvil.core.plan import KernelCall, Variant
    from tests.support.walk import Walk

_LAYOUTS = ROOT / "anvil" / "plan" / "layouts"
_FEW = 64  # steps of a walk that are all taken
_MOST_CHANGES = 8  # on a longer walk
# How a kernel takes a call: parameters that a layout adds, by which the kernel branches.
_WAYS = ("form", "fits_pairs", "own_exponents")
# What no call misses that meets the rest of its kernel's conditions, and what ADD itself refuses.
_FOLLOWS = {"pad_top == 0", "pad_left == 0", "n_rows == 1"}
_NEVER_MISSED = {"output_shift <= 0"}
Site = tuple[str, int]  # where in anvil/plan/layouts a refusal is made: file and line


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a variant takes a call."""

    misses: tuple[str, ...]  # the conditions of `when`
    refusals: frozenset[Site]  # one, or those after which a layout tried something else
    ways: tuple[tuple[str, int | float], ...]  # empty where the call is refused
    is_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Two neighbours on a walk that a variant takes otherwise."""

    variant: Variant
    cases: tuple[Case, Case]
    states: tuple[State, State]


def conditions(variant: Variant) -> list[str]:
    """What `when` demands, one by one."""
    if not variant.when:
        return []
    tree = ast.parse(variant.when.strip(), mode="eval").body
    is_and = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    parts = tree.values if is_and and isinstance(tree, ast.BoolOp) else [tree]
    return [ast.unparse(part) for part in parts]


def refusals_made() -> set[Site]:
    """Every place in the layouts where a call is refused."""
    return {
        (path.name, node.lineno)
        for path in _LAYOUTS.glob("*.py")
        if path.name != "packing.py"  # it passes on what layouts refuse
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "NotPackable"
    }


def state_of(variant: Variant, call: KernelCall) -> State:
    misses = tuple(
        part for part in conditions(variant) if not evaluate(part, dict(call.parameters))
    )
    seen: set[Site] = set()
    if misses or not variant.layout:
        return State(misses=misses, refusals=frozenset(), ways=(), is_taken=not misses)
    make = NotPackable.__init__

    def note(self: NotPackable, *arguments: object) -> None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        seen.add((Path(frame.f_back.f_code.co_filename).name, frame.f_back.f_lineno))
        make(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NotPackable, "__init__", note)
        try:
            packed = layout_of(variant.layout).pack(call, dict(variant.layout_options))
        except NotPackable:
            return State(misses=(), refusals=frozenset(seen), ways=(), is_taken=False)
    ways = tuple((name, value) for name, value in packed.parameters if name in _WAYS)
    return State(misses=(), refusals=frozenset(seen), ways=ways, is_taken=True)


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def _changes(state: Callable[[int], State], first: int, last: int) -> list[int]:
    """Numbers before a change, one after another; a stretch that ends as it began may hide some."""
    found: list[int] = []
    while state(first) != state(last) and len(found) < _MOST_CHANGES:
        before, after = first, last
        while abs(after - before) > 1:
            middle = (before + after) // 2
            if state(middle) == state(first):
                before = middle
            else:
                after = middle
        found.append(before)
        first = after
    return found


def _edges_of(walk: Walk) -> Iterable[Edge]:
    case = cache(walk.case)
    call = cache(lambda number: call_of(case(number)))
    step = 1 if walk.last >= walk.first else -1
    for variant in VARIANTS:
        if (variant.op, variant.dtype) != (call(walk.first).op, call(walk.first).dtype):
            continue
        if not (variant.when or variant.layout):
            continue
        state = cache(lambda number, variant=variant: state_of(variant, call(number)))
        if abs(walk.last - walk.first) <= _FEW:
            numbers = [n for n in range(walk.first, walk.last, step) if state(n) != state(n + step)]
        else:
            numbers = _changes(state, walk.first, walk.last)
        for number in numbers:
            pair = number, number + step
            yield Edge(
                variant=variant,
                cases=(case(pair[0]), case(pair[1])),
                states=(state(pair[0]), state(pair[1])),
            )


VARIANTS = load_variants(kernel_files())


@pytest.fixture(scope="module")
def edges() -> list[Edge]:
    return [edge for walk in walks() for edge in _edges_of(walk)]


def test_every_condition_of_a_kernel_is_met_and_missed(edges: list[Edge]) -> None:
    """By neighbours, of which the one that misses it meets all others."""
    crossed: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        met, missed = sorted(edge.states, key=lambda state: len(state.misses))
        if met.is_taken and len(set(missed.misses) - _FOLLOWS) <= 1:
            crossed[edge.variant.symbol] |= set(missed.misses)
    missing = [
        f"{variant.symbol}: {part}"
        for variant in VARIANTS
        for part in conditions(variant)
        if part not in crossed[variant.symbol] | _NEVER_MISSED
    ]
    assert missing == []


def test_every_refusal_of_a_layout_is_provoked(edges: list[Edge]) -> None:
    """By one of two neighbours; the other gets along without it."""
    provoked = {
        site for edge in edges for site in edge.states[0].refusals ^ edge.states[1].refusals
    }
    assert provoked - refusals_made() == set()
    assert sorted(refusals_made() - provoked) == []


def test_what_a_kernel_refuses_another_takes(edges: list[Edge]) -> None:
    for edge in edges:
        for case, state in zip(edge.cases, edge.states, strict=True):
            if state.is_taken:
                continue
            for platform in ALL_PLATFORMS:
                features = core_features(platform.core)
                if not features.issuperset(edge.variant.requires):
                    continue
                found = feasible(call_of(case), 0, VARIANTS, features)
                assert not isinstance(found, str), f"{case.name}: {found}"
                reasons = {rejection.choice: rejection.reason for rejection in found.rejected}
                assert reasons[edge.variant.symbol], case.name
                taking = [option.variant.symbol for option in found.options]
                assert edge.variant.symbol not in taking, case.name


def test_numpy_equals_tflite(edges: list[Edge]) -> None:
    for case in _cases(edges):
        # Margins are the planner's own (test_rewritten_operators.py), and of 65537 taps TFLite's
        # kernel makes an error.
        if "margin" not in case.name and case.name != "pool many taps 65537":
            check_references(case)


@pytest.mark.parametrize("platform", ALL_PLATFORMS, ids=lambda platform: platform.name)
def test_kernels_equal_numpy(platform: Platform, edges: list[Edge], tmp_path: Path) -> None:
    features = core_features(platform.core)
    own = [edge for edge in edges if features.issuperset(edge.variant.requires)]
    check_kernels(platform, _cases(own), tmp_path, every_variant=False)


def _cases(edges: Iterable[Edge]) -> list[Case]:
    return list({case.name: case for edge in edges for case in edge.cases}.values())
