"""Cost tables: sound, in step with the kernels, and refused where they are none."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
import yaml
from jsonschema import Draft202012Validator

from anvil.core.diagnostics import AnvilError
from anvil.ops.registry import DEFINITIONS
from anvil.plan.costs import CostTable, load_costs, table_path
from anvil.plan.features import call_names, evaluate_linear
from anvil.plan.kernel_digest import kernel_digest
from anvil.plan.kernel_registry import load_variants
from anvil.plan.predict import predict
from anvil.resources import built_in, contents, read_folder
from benchmarks.costs.linear import fit
from tests.support import projects
from tests.support.graphs import one_op_graphs, small_network
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from anvil.core.plan import Variant

TARGETS = (
    "nrf52840",
    "corstone300",
    "microbit",
    "hifive1-revb",
    "rpi4",
    "rpi5",
    "linux-x86_64",
    "browser",
)
_COUNTED = {"nrf52840", "corstone300", "microbit", "hifive1-revb", "rpi4", "rpi5"}
SCHEMA = json.loads((ROOT / "schemas" / "costs.schema.json").read_bytes())
REFIT = "the cost tables are out of date: run `python -m benchmarks.fit_costs`"


@cache
def profiles() -> dict[str, bytes]:
    return contents(read_folder(built_in("targets")))


@cache
def table_of(name: str) -> CostTable:
    table = load_costs(profiles(), projects.target(name))
    assert table is not None, f"no table holds for {name}'s compiler and flags: {REFIT}"
    return table


def variants() -> tuple[Variant, ...]:
    return load_variants(contents(read_folder(built_in("kernels"))))


@pytest.mark.parametrize("path", sorted(p for p in profiles() if p.startswith("costs/")))
def test_every_table_is_as_its_schema_says(path: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    document = yaml.safe_load(profiles()[path])
    errors = Draft202012Validator(SCHEMA).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    assert path == f"costs/{document['core']}.{document['toolchain']}.yaml"


@pytest.mark.parametrize("name", TARGETS)
def test_every_kernel_is_known_as_it_is_now(name: str) -> None:
    table, features = table_of(name), set(projects.target(name).core.features)
    stale = [
        variant.symbol
        for variant in variants()
        if set(variant.requires) <= features
        and (
            variant.symbol not in table.kernels
            or table.kernels[variant.symbol].source_digest != variant.digest
        )
    ]
    assert stale == [], f"{REFIT} --target {name}"


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kind", sorted(one_op_graphs()))
def test_every_operator_is_predicted_in_full(name: str, kind: str) -> None:
    plan = projects.plan_of(one_op_graphs()[kind], name)
    prediction = predict(plan, table_of(name))
    assert prediction.unknown == ()
    assert prediction.latency_s is not None
    assert prediction.ram_bytes is not None
    assert prediction.flash_bytes is not None
    is_counted = name in _COUNTED or not plan.calls
    assert (prediction.instructions is not None) == is_counted


def test_without_a_table_sizes_of_the_plan_are_known_alone() -> None:
    plan = projects.plan_of(small_network(), "nrf52840")
    prediction = predict(plan, None)
    assert (prediction.arena_bytes, prediction.weight_bytes) == (
        plan.arena_bytes,
        plan.weight_bytes,
    )
    assert prediction.ram_bytes is prediction.flash_bytes is prediction.latency_s is None
    assert prediction.instructions is prediction.cycles is prediction.stack_bytes is None
    assert set(prediction.unknown) == {planned.variant.symbol for planned in plan.calls}


def test_a_kernel_that_changed_is_not_predicted_and_the_others_are() -> None:
    plan = projects.plan_of(small_network(), "nrf52840")
    changed = replace(plan.calls[0], variant=replace(plan.calls[0].variant, digest="00" * 32))
    prediction = predict(replace(plan, calls=(changed, *plan.calls[1:])), table_of("nrf52840"))
    assert prediction.unknown == (changed.variant.symbol,)
    assert prediction.flash_bytes is prediction.instructions is None
    known = [
        cost.instructions is not None
        for cost, planned in zip(prediction.calls, plan.calls, strict=True)
        if planned.variant.symbol != changed.variant.symbol
    ]
    assert known
    assert all(known)


def test_a_table_of_another_compiler_or_other_flags_is_not_used() -> None:
    target = projects.target("nrf52840")
    for toolchain in (
        replace(target.toolchain, version="0.0.1"),
        replace(target.toolchain, compile_flags=("-O3",)),
    ):
        assert load_costs(profiles(), replace(target, toolchain=toolchain)) is None
    assert load_costs({}, target) is None


@pytest.mark.parametrize("content", [b"[1]", b"{", b"fitted: {package: 1}\n", b"\xff\xfe", b""])
def test_what_is_no_table_is_one_clear_error(content: bytes) -> None:
    target = projects.target("nrf52840")
    with pytest.raises(AnvilError) as error:
        load_costs({table_path(target): content}, target)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "costs.invalid"
    assert diagnostic.file == "targets/costs/cortex-m4f.zig.yaml"
    assert diagnostic.hint


def test_the_features_of_a_convolution() -> None:
    graph = one_op_graphs()["CONV_2D"]
    (call,) = DEFINITIONS["CONV_2D"].lower(graph.ops[0], graph)
    names = call_names(call, graph)
    # 11 x 14 pixels under 2 x 4 taps, strides 2 and 4, dilation 4 along the width, VALID.
    assert (names["rows_inside"], names["columns_inside"]) == (5 * 2, 1 * 4)
    assert names["input_elements"] == 11 * 14 * 2
    assert names["output_elements"] == 5 * 1 * 3
    assert evaluate_linear((("1", 2.0), ("rows_inside*columns_inside", 0.5)), names) == 22.0
    assert evaluate_linear((("absent", 1.0),), names) is None


def test_terms_may_name_what_a_layout_adds() -> None:
    graph = one_op_graphs()["CONV_2D"]
    (call,) = DEFINITIONS["CONV_2D"].lower(graph.ops[0], graph)
    packed = replace(call, parameters=(("n_steps", 7), ("output_h", 99)))
    names = call_names(call, graph, packed)
    assert evaluate_linear((("packed_n_steps*output_h", 1.0),), names) == 7 * 5
    assert "packed_n_steps" not in call_names(call, graph)


def test_a_term_that_no_call_has_stops_a_fit() -> None:
    with pytest.raises(ValueError, match="absent"):
        fit(["1", "absent"], [{"n": 1}, {"n": 2}], [1.0, 2.0])


def test_a_fit_finds_the_coefficients_and_none_below_zero() -> None:
    names = [{"n": n, "m": n % 5} for n in range(1, 40)]
    costs = [300.0 + 12 * case["n"] - 0.5 * case["m"] for case in names]
    found = dict(fit(["1", "n", "m"], names, costs))
    assert found["1"] == pytest.approx(300, rel=0.02)
    assert found["n"] == pytest.approx(12, rel=0.02)
    assert "m" not in found


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_taps_inside_are_counted_as_the_kernels_do(dilation: int) -> None:
    graph = one_op_graphs()["DEPTHWISE_CONV_2D"]
    (call,) = DEFINITIONS["DEPTHWISE_CONV_2D"].lower(graph.ops[0], graph)
    for extent in (1, 2, 5, 9):
        for taps in (1, 2, 4):
            for before in (0, 1, 3, 7):
                fields = dict(call.parameters) | {
                    "input_h": extent, "filter_h": taps, "pad_top": before, "stride_h": 2,
                    "dilation_h": dilation, "output_h": 6,
                }  # fmt: skip
                names = call_names(replace(call, parameters=tuple(fields.items())), graph)
                inside = [
                    0 <= window * 2 - before + tap * dilation < extent
                    for window in range(6)
                    for tap in range(taps)
                ]
                assert names["rows_inside"] == sum(inside), fields
                whole = [all(inside[w * taps : (w + 1) * taps]) for w in range(6)]
                assert names["rows_whole"] == sum(whole), fields


# What a kernel consists of.

_HEADER = b"""
#ifndef H
#define H
#include <stdint.h>
#define BITS 3 /* bits */
/* A type. */
typedef struct {
  int32_t n;
} parameters;
static inline int32_t inner(int32_t x) {
  return x << BITS;
}
static inline int32_t outer(int32_t x) {
  return inner(x) + 1;
}
void other(const parameters *p);
#endif
"""
_SOURCE = b"int32_t kernel(int32_t x) {\n  return outer(x);\n}\n"


def test_a_kernels_digest_is_of_its_code_alone() -> None:
    digest = kernel_digest(_SOURCE, [_HEADER])
    same = [
        (b"/* why */\n" + _SOURCE.replace(b"\n", b"\r\n"), _HEADER),
        (_SOURCE, _HEADER.replace(b"void other(const parameters *p);", b"")),
        (_SOURCE, _HEADER.replace(b"int32_t n;", b"int64_t n;")),
        (_SOURCE, _HEADER.replace(b"/* A type. */", b"/* Another word. */")),
    ]
    for source, header in same:
        assert kernel_digest(source, [header]) == digest
    different = [
        (_SOURCE.replace(b"outer(x)", b"outer(x) + 1"), _HEADER),
        (_SOURCE, _HEADER.replace(b"BITS 3", b"BITS 4")),
        (_SOURCE, _HEADER.replace(b"inner(x) + 1", b"inner(x) + 2")),
    ]
    for source, header in different:
        assert kernel_digest(source, [header]) != digest


def test_every_built_in_kernel_has_a_digest_of_its_own() -> None:
    digests = [variant.digest for variant in variants()]
    assert len(set(digests)) == len(digests)
