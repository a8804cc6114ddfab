"""Rewriting keeps every bit: random networks, and the benchmark models."""

from __future__ import annotations

import numpy as np
import pytest

from anvil.core.attributes import Activation, ArithmeticAttributes, Padding
from anvil.core.diagnostics import AnvilError
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS
from anvil.plan.rewrites import DESCRIPTIONS, NAMES, check_names
from anvil.plan.rewrites.registry import FUNCTIONS
from anvil.plan.rewrites.rewrite import cost_of, rewrite
from tests.support.networks import Network, convolution_attributes, random_network
from tests.support.programs import require_shared_model
from tests.support.rewriting import (
    assert_same_bits,
    inferences,
    rewritten_alone,
    separable_network,
    spoil,
    values_of,
)
from tests.support.tflite_builder import run_reference, tflite_bytes


@pytest.mark.parametrize("seed", range(24))
def test_a_separable_network_keeps_its_bits(seed: int) -> None:
    graph = separable_network(seed)
    batches = inferences(graph, seed)
    rewritten = rewrite(graph, DEFINITIONS)
    assert_same_bits(graph, rewritten, batches)
    assert rewritten.applied
    before, after = cost_of(graph, DEFINITIONS), cost_of(rewritten.graph, DEFINITIONS)
    assert sum(a.macs_saved for a in rewritten.applied) == before.macs - after.macs
    assert sum(a.ops_saved for a in rewritten.applied) == before.n_ops - after.n_ops
    assert sum(a.weight_bytes_saved for a in rewritten.applied) == (
        before.weight_bytes - after.weight_bytes
    )
    assert after.macs <= before.macs


@pytest.mark.parametrize("seed", range(16))
def test_a_network_of_all_operators_keeps_its_bits(seed: int) -> None:
    graph = spoil(random_network(seed), seed)
    assert_same_bits(graph, rewrite(graph, DEFINITIONS), inferences(graph, seed))


@pytest.mark.parametrize("name", NAMES)
def test_each_rewrite_alone_keeps_the_bits(name: str) -> None:
    for seed in range(4):
        graph = separable_network(100 + seed) if seed % 2 else spoil(random_network(seed), seed)
        assert_same_bits(graph, rewritten_alone(graph, name), inferences(graph, seed, n_random=2))


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_a_constant_operand_may_stand_first(kind: str) -> None:
    net = Network(seed=3)
    image = net.input((1, 13))
    offset = net.constant(np.full((1, 1), 9, np.int8), scales=[0.05], zero_point=3)
    summed = net.op(kind, [offset, image], ArithmeticAttributes(activation=Activation.RELU))
    graph = net.graph(net.fully_connected(summed, n_outputs=4))
    for disabled in (frozenset[str](), frozenset({"tables"}), frozenset(NAMES) - {"dead_channels"}):
        rewritten = rewrite(graph, DEFINITIONS, disabled=disabled)
        assert_same_bits(graph, rewritten, inferences(graph, 3))


@pytest.mark.parametrize("seed", range(200, 206))
def test_a_rewritten_network_computes_what_tflite_computes(seed: int) -> None:
    graph = separable_network(seed)
    rewritten = rewrite(graph, DEFINITIONS).graph
    content = tflite_bytes(graph)
    for batch in inferences(graph, seed):
        found = values_of(rewritten, batch)
        for index, truth in zip(rewritten.outputs, run_reference(content, batch), strict=True):
            np.testing.assert_array_equal(found[index], truth)


@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad", "sww"])
def test_a_benchmark_model_keeps_its_bits(name: str) -> None:
    content = require_shared_model(f"{name}.int8.tflite").read_bytes()
    graph = import_tflite(content, name, DEFINITIONS)
    assert_same_bits(graph, rewrite(graph, DEFINITIONS), inferences(graph, 0, n_random=6))


def test_vww_loses_its_dead_channels() -> None:
    content = require_shared_model("vww.int8.tflite").read_bytes()
    rewritten = rewrite(import_tflite(content, "vww", DEFINITIONS), DEFINITIONS)
    cost = cost_of(rewritten.graph, DEFINITIONS)
    assert cost.macs <= 4_120_000
    assert cost.weight_bytes <= 60_000
    (applied,) = rewritten.applied
    assert applied.name == "dead_channels"
    assert applied.macs_saved == 7_489_664 - cost.macs


def test_a_rewrite_that_is_switched_off_does_nothing() -> None:
    for seed in range(5):
        graph = separable_network(seed)
        for one in rewrite(graph, DEFINITIONS).applied:
            rest = rewrite(graph, DEFINITIONS, disabled=frozenset({one.name}))
            assert one.name not in {other.name for other in rest.applied}
        assert rewrite(graph, DEFINITIONS, disabled=frozenset(NAMES)).graph == graph


def test_rewriting_again_finds_nothing() -> None:
    for seed in range(5):
        once = rewrite(separable_network(seed), DEFINITIONS).graph
        twice = rewrite(once, DEFINITIONS)
        assert not twice.applied
        assert twice.graph == once


def test_a_name_that_is_no_rewrite_is_refused_with_the_nearest() -> None:
    with pytest.raises(AnvilError) as error:
        check_names(["pads", "tables", "zzz"])
    near, far = (d.hint for d in error.value.diagnostics)
    assert near == "did you mean 'pad'?"
    assert all(f"{name}: {text}" in str(far) for name, text in DESCRIPTIONS.items())
    assert all(name in error.value.diagnostics[1].message for name in NAMES)


def test_every_rewrite_is_described_in_one_line() -> None:
    assert list(DESCRIPTIONS) == list(NAMES) == list(FUNCTIONS)
    assert all("\n" not in text and len(text) < 80 for text in DESCRIPTIONS.values())


def test_what_a_folded_pad_leaves_behind_is_not_counted_as_cut() -> None:
    net = Network(seed=4)
    image = net.input((1, 6, 5, 3))
    paddings = net.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    padded = net.op("PAD", [image, paddings])
    attributes = convolution_attributes(padding=Padding.VALID)
    graph = net.graph(net.convolution(padded, n_outputs=4, attributes=attributes))
    found = rewrite(graph, DEFINITIONS)
    assert [(one.name, one.n_applied) for one in found.applied] == [("pad", 1)]
