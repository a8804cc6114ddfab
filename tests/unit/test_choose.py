"""The choice among candidates, and what is proposed where nothing fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import yaml

from anvil.core.candidate import Accuracy, Candidate, Fidelity
from anvil.core.decision import ORDERS, Choice, Criterion, Decision, FailedCandidate
from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.fit import Misfit
from anvil.core.plan import Plan
from anvil.core.rewrite import Rewritten
from anvil.core.target import Requirements
from anvil.plan.choose import Material, choose, ordered, reconsidered
from anvil.plan.costs import table_path
from anvil.plan.decision_document import decision_sections
from anvil.plan.predict import predict
from anvil.plan.remedies import nearest, remedies
from anvil.resources import built_in, contents, read_folder
from benchmarks.costs.cases import COUNTED_SIZES, cases
from tests.support import projects
from tests.support.graphs import small_network

_BALANCED = ORDERS["balanced"]


@cache
def plan() -> Plan:
    return projects.plan_of(small_network(), "nrf52840")


def candidate(name: str, *, drop: float | None = None, noise_db: float | None = None) -> Candidate:
    accuracy = None
    if drop is not None:
        accuracy = Accuracy(
            metric="top1",
            value=0.9 - drop,
            interval=(0.8, 0.95),
            reference=0.9,
            n_samples=400,
            higher_is_better=True,
        )
    fidelity = None
    if noise_db is not None:
        fidelity = Fidelity(signal_to_noise_db=noise_db, n_inferences=8, inputs="random")
    return Candidate(
        name=name, content=b"model", sha256="0" * 64, accuracy=accuracy, fidelity=fidelity
    )


def choice(
    one: Candidate, *, ram: int, flash: int, latency_s: float, misfits: tuple[Misfit, ...] = ()
) -> Choice:
    """A choice whose totals are as given."""
    prediction = replace(
        predict(plan(), None),
        arena_bytes=ram,
        data_bytes=0,
        bss_bytes=0,
        stack_bytes=0,
        reserved_stack_bytes=None,
        code_bytes=0,
        weight_bytes=flash,
        latency_s=latency_s,
    )
    return Choice(
        candidate=one,
        variation="",
        disabled_rewrites=(),
        rewritten=Rewritten(graph=plan().graph, origins=(), applied=()),
        n_bands=1,
        plan=plan(),
        prediction=prediction,
        misfits=misfits,
    )


SMALL = choice(candidate("int8", drop=0.02), ram=100, flash=100, latency_s=2.0)
FAST = choice(candidate("int16x8", drop=0.01), ram=200, flash=150, latency_s=1.0)
TRUE = choice(candidate("float32", drop=0.0), ram=400, flash=400, latency_s=4.0)
WORSE = choice(candidate("float16", drop=0.02), ram=500, flash=500, latency_s=5.0)
ALL = (WORSE, TRUE, FAST, SMALL)


def labels(decision: Decision) -> list[str]:
    return [one.label for one in decision.choices]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (ORDERS["size"], ["int8", "int16x8", "float32", "float16"]),
        (ORDERS["speed"], ["int16x8", "int8", "float32", "float16"]),
        (ORDERS["balanced"], ["int16x8", "int8", "float32", "float16"]),
        ((Criterion.ACCURACY,), ["float32", "int16x8", "float16", "int8"]),
        ((Criterion.ACCURACY, Criterion.FLASH), ["float32", "int16x8", "int8", "float16"]),
    ],
)
def test_an_order_decides_and_later_criteria_break_ties(
    order: Sequence[Criterion], expected: list[str]
) -> None:
    decision = ordered(ALL, (), order)
    assert labels(decision) == expected
    assert decision.chosen is decision.choices[0]


def test_balanced_bytes_weigh_what_they_are_worth_on_the_device() -> None:
    target = plan().target
    assert target.ram is not None
    lean = choice(candidate("int8"), ram=1000, flash=1000, latency_s=1.9)
    fast = choice(candidate("int16x8"), ram=target.ram.size_bytes, flash=1000, latency_s=1.0)
    assert labels(ordered((fast, lean), (), _BALANCED)) == ["int8", "int16x8"]
    more = replace(target.ram, size_bytes=4 * target.ram.size_bytes)
    roomy = [
        replace(one, plan=replace(one.plan, target=replace(target, ram=more)))
        for one in (fast, lean)
    ]
    assert labels(ordered(roomy, (), _BALANCED)) == ["int16x8", "int8"]


def test_what_stands_in_for_an_unknown_quantity_is_said() -> None:
    unknown = replace(FAST, prediction=replace(FAST.prediction, latency_s=None, code_bytes=None))
    decision = ordered((SMALL, unknown), (), ORDERS["size"])
    macs = ("latency", "the number of multiply-accumulates")
    assert decision.stand_ins == (("flash", "the size of the weights"), macs)
    sentence = "As flash is not known for every choice, the size of the weights is compared"
    text = decision_sections(decision, [])["decision"]["text"]
    assert any(line.startswith(sentence) for line in text)
    # Only of what decides, and nothing where all is known.
    assert ordered((SMALL, unknown), (), (Criterion.ACCURACY,)).stand_ins == ()
    assert ordered((SMALL, unknown), (), _BALANCED).stand_ins == decision.stand_ins
    assert ordered(ALL, (), _BALANCED).stand_ins == ()


def test_what_does_not_fit_stands_last_and_is_not_taken() -> None:
    misfit = Misfit(target="t", what="max_ram", subject="it", value=100, limit=50, unit="B")
    decision = ordered((replace(SMALL, misfits=(misfit,)), TRUE), (), _BALANCED)
    assert labels(decision) == ["float32", "int8"]
    assert decision.chosen is decision.choices[0]
    assert ordered((replace(SMALL, misfits=(misfit,)),), (), _BALANCED).chosen is None


def test_the_pareto_front_is_what_nothing_beats_in_everything() -> None:
    decision = ordered(ALL, (), _BALANCED)
    front = {c.label for c, on in zip(decision.choices, decision.pareto, strict=True) if on}
    assert front == {"int8", "int16x8", "float32"}


def test_without_accuracy_the_noise_counts() -> None:
    quiet = choice(candidate("int16x8", noise_db=60.0), ram=1, flash=1, latency_s=1)
    noisy = choice(candidate("int8", noise_db=20.0), ram=1, flash=1, latency_s=1)
    assert labels(ordered((noisy, quiet), (), (Criterion.ACCURACY,))) == ["int16x8", "int8"]


def test_other_requirements_are_met_without_planning_again() -> None:
    decision = ordered((TRUE, FAST), (), _BALANCED)
    tight = reconsidered(decision, Requirements(max_accuracy_drop=0.001))
    assert labels(tight) == ["float32", "int16x8"]
    (misfit,) = tight.choices[1].misfits
    assert (misfit.what, misfit.limit) == ("max_accuracy_drop", 0.001)
    assert "loses 0.01 of top1" in misfit.diagnostic().message


# With real plans.


def material(*candidates: Candidate, failed: tuple[FailedCandidate, ...] = ()) -> Material:
    return projects.material_of(small_network(), candidates, failed)


def test_every_reason_is_said_where_no_candidate_can_be_planned() -> None:
    why = Diagnostic(code="x", message="it is broken")
    with pytest.raises(AnvilError) as error:
        choose(
            material(failed=(FailedCandidate(name="int8", diagnostics=(why,)),)),
            plan().target,
            Requirements(),
            _BALANCED,
        )
    assert error.value.diagnostics == (why,)


def test_a_failed_candidate_stops_no_other_and_is_told() -> None:
    why = Diagnostic(code="x", message="it is broken")
    made = material(
        candidate("int8", drop=0.0), failed=(FailedCandidate(name="mixed", diagnostics=(why,)),)
    )
    decision = choose(made, plan().target, Requirements(), _BALANCED)
    assert decision.chosen is not None
    sections = decision_sections(decision, [one for one, _ in made.candidates])
    rows = {row["name"]: row for row in sections["candidates"]}
    assert rows["int8"]["status"] == "considered"
    assert (rows["mixed"]["status"], rows["mixed"]["reason"]) == ("failed", "it is broken")
    assert any("it is broken" in sentence for sentence in sections["decision"]["text"])


def test_what_is_proposed_was_tried_and_fits() -> None:
    made = material(candidate("int8", drop=0.02))
    tight = Requirements(max_flash_bytes=64, max_ram_bytes=64, max_accuracy_drop=0.01)
    decision = choose(made, plan().target, tight, _BALANCED)
    assert decision.chosen is None
    found = remedies(decision, made, plan().target, tight, [])
    assert found
    for word in ("max_flash", "max_ram", "max_accuracy_drop"):
        assert word in found[0].change
    assert found[0].result.fits
    diagnostics = nearest(decision, found)
    assert {d.code for d in diagnostics} == {"fit.flash", "fit.ram", "fit.accuracy"}
    assert "tried, and each would fit" in (diagnostics[-1].hint or "")


def test_the_cheapest_way_comes_first_and_three_are_enough() -> None:
    made = material(
        candidate("int8", drop=0.5),
        candidate("int16x8", drop=0.4),
        candidate("float16", drop=0.3),
        candidate("float32", drop=0.2),
    )
    strict = Requirements(max_accuracy_drop=0.1)
    decision = choose(made, plan().target, strict, _BALANCED)
    # Whoever allows more gets another choice: the largest loss has the least latency.
    choices = tuple(
        replace(one, prediction=replace(one.prediction, latency_s=1e-3 / one.misfits[0].value))
        for one in decision.choices
    )
    decision = ordered(choices, (), ORDERS["speed"])
    found = remedies(decision, made, plan().target, strict, [])
    assert [one.change for one in found] == [
        "set max_accuracy_drop to 0.2",
        "set max_accuracy_drop to 0.3",
        "set max_accuracy_drop to 0.4",
    ]
    assert found[0].cost < found[1].cost < found[2].cost
    assert [one.result.label for one in found] == ["float32", "float16", "int16x8"]


def test_a_weaker_requirement_that_brings_nothing_else_is_not_proposed() -> None:
    made = material(candidate("int8", drop=0.5), candidate("float32", drop=0.2))
    strict = Requirements(max_accuracy_drop=0.1)
    decision = choose(made, plan().target, strict, _BALANCED)
    found = remedies(decision, made, plan().target, strict, [])
    assert [one.change for one in found] == ["set max_accuracy_drop to 0.2"], (
        "with 0.5 it is float32 as well, which is as small and loses less"
    )


def test_requirements_that_contradict_each_other_are_named() -> None:
    def breaking(one: Choice, what: str) -> Choice:
        unit = "top1" if what == "max_accuracy_drop" else "B"
        misfit = Misfit(target="t", what=what, subject="it", value=0.5, limit=0.1, unit=unit)
        return replace(one, misfits=(misfit,))

    both = ordered((breaking(SMALL, "max_accuracy_drop"), breaking(TRUE, "max_ram")), (), _BALANCED)
    first, *rest = nearest(both, ())
    assert first.code == "fit.contradiction"
    assert "float32 keeps the one, int8 the other" in first.message
    assert all(one.code != "fit.contradiction" for one in rest)
    alone = ordered((breaking(SMALL, "max_ram"), breaking(TRUE, "max_ram")), (), _BALANCED)
    assert [d.code for d in nearest(alone, ())] == ["fit.ram"]


def test_another_target_is_proposed_where_the_board_is_too_small() -> None:
    made = material(candidate("int8"))
    board = plan().target
    assert board.ram is not None
    tiny = replace(board, name="tiny", ram=replace(board.ram, size_bytes=16))
    decision = choose(made, tiny, Requirements(), _BALANCED)
    assert decision.chosen is None
    (found,) = remedies(decision, made, tiny, Requirements(), [board])
    assert found.change == f"build for {board.name} ({board.board})"
    assert found.result.plan.target is board
    no_way = nearest(decision, ())
    assert "a smaller model is needed" in (no_way[-1].hint or "")


# Kernels.


def _invented_costs(made: Material) -> Material:
    """The same material with a table in which every kernel that takes scratch is fast."""
    profiles = contents(read_folder(built_in("targets")))
    path = table_path(plan().target)
    document = yaml.safe_load(profiles[path])
    document["kernels"] = {}
    for variant in made.variants:
        cycles = {"1": 10.0, "macs": 1.0 if variant.takes_scratch else 9.0}
        document["kernels"][variant.symbol] = {
            "source": variant.digest, "code": 100, "stack": 0, "instructions": cycles,
            "cycles": cycles,
        }  # fmt: skip
    return replace(made, profiles={path: yaml.safe_dump(document).encode()})


def test_where_ram_is_missing_kernels_without_scratch_are_tried() -> None:
    for graph in cases("CONV_2D", "int8", 3, COUNTED_SIZES):
        made = _invented_costs(projects.material_of(graph, (candidate("int8"),), ()))
        usual = choose(made, plan().target, Requirements(), ORDERS["speed"]).chosen
        assert usual is not None
        if any(planned.scratch_bytes for planned in usual.plan.calls):
            break
    assert usual is not None
    assert any(planned.scratch_bytes for planned in usual.plan.calls)
    assert usual.kernel_order == ORDERS["speed"]
    assert usual.prediction.ram_bytes is not None
    tight = Requirements(max_ram_bytes=usual.prediction.ram_bytes - 1)
    decision = choose(made, plan().target, tight, ORDERS["speed"])
    assert decision.chosen is not None
    assert decision.chosen.variation == "with the kernels of the least memory"
    assert not any(planned.scratch_bytes for planned in decision.chosen.plan.calls)
    assert decision.chosen.plan.arena_bytes < usual.plan.arena_bytes
    sections = decision_sections(decision, [])
    assert sections["kernel_order"] == ["ram", "latency"]
