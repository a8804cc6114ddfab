"""Whole networks, run natively, compute the reference's bytes whatever the memory plan does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.plan import MemoryStrategy
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS
from anvil.verify import native
from tests.support import projects
from tests.support.networks import (
    Network,
    convolution_attributes,
    depthwise_attributes,
    pool_attributes,
    random_network,
)
from tests.support.platforms import PLATFORMS, runner_of
from tests.support.programs import ROOT
from tests.support.tflite_builder import random_array

if TYPE_CHECKING:
    from anvil.core.graph import Graph
    from anvil.core.plan import Plan

MODELS = ROOT.parent / "shared" / "models"
APART = MemoryStrategy(overlap=False, reorder=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the toolchain builds for itself is built once."""
    return tmp_path_factory.mktemp("cache")


def check(graph: Graph, strategy: MemoryStrategy, cache: Path, folder: Path) -> Plan:
    """The plan, whose program computes what the operators' references compute."""
    runner_of(PLATFORMS[0])
    plan = projects.plan_of(graph, "linux-x86_64", strategy=strategy)
    projects.build(plan, cache, folder)
    rng = np.random.default_rng(1)
    tensors = [graph.tensors[index] for index in graph.inputs]
    batches = [tuple(random_array(t, rng).tobytes() for t in tensors) for _ in range(3)]
    ran = native.run(projects.invocation(plan, folder, batches))
    for batch, outputs in zip(batches, ran.outputs, strict=True):
        assert outputs == projects.reference(graph, batch)
    return plan


@pytest.mark.parametrize("seed", [3, 11, 17])
def test_random_networks(seed: int, cache: Path, tmp_path: Path) -> None:
    graph = random_network(seed, n_ops=30)
    plan = check(graph, MemoryStrategy(), cache, tmp_path)
    assert plan.arena_bytes <= projects.plan_of(graph, "linux-x86_64", strategy=APART).arena_bytes


def image_chain(seed: int) -> Graph:
    """Convolutions and pools of every kind from the input on, then what no stage can hold."""
    net = Network(seed=seed)
    image = net.input((1, 25, 14, 3))
    x = net.convolution(image, n_outputs=16, filter_size=(4, 3))
    x = net.depthwise(x, attributes=depthwise_attributes(dilation_h=2, dilation_w=1))
    x = net.op("MAX_POOL_2D", [x], pool_attributes(stride_h=2, stride_w=2, filter_h=3))
    x = net.convolution(
        x, n_outputs=4, filter_size=(1, 1), attributes=convolution_attributes(stride_w=2)
    )
    x = net.op("AVERAGE_POOL_2D", [x], pool_attributes(stride_h=1, stride_w=1))
    return net.graph(net.op("RELU", [x]), x)


@pytest.mark.parametrize(("n_bands", "overlap"), [(2, False), (3, True), (6, True)])
def test_a_stage_in_bands(n_bands: int, overlap: bool, cache: Path, tmp_path: Path) -> None:  # noqa: FBT001
    graph = image_chain(n_bands)
    strategy = MemoryStrategy(overlap=overlap, reorder=False, bands=n_bands)
    plan = check(graph, strategy, cache, tmp_path)
    whole = projects.plan_of(
        graph, "linux-x86_64", strategy=MemoryStrategy(overlap=overlap, reorder=False)
    )
    assert plan.arena_bytes < whole.arena_bytes
    assert len(plan.calls) > len(whole.calls)
    macs = [sum(planned.call.n_macs for planned in p.calls) for p in (plan, whole)]
    assert macs[1] <= macs[0] < 2 * macs[1]
    assert plan.weight_bytes == whole.weight_bytes


def test_bands_that_gain_nothing_are_not_taken() -> None:
    net = Network(seed=1)
    x = net.convolution(net.input((1, 4, 4, 8)), n_outputs=1)
    graph = net.graph(net.convolution(x, n_outputs=64))
    plan = projects.plan_of(graph, "linux-x86_64", strategy=MemoryStrategy(bands=2))
    assert plan.calls == projects.plan_of(graph, "linux-x86_64").calls


@pytest.mark.parametrize(
    ("name", "apart", "most"),
    [
        ("kws", 16_000, 10_000),
        ("vww", 55_296, 42_000),
        ("ic", 49_152, 36_000),
        ("ad", 768, 1_300),
        ("sww", 6_656, 6_000),
    ],
)
def test_the_benchmark_models_are_proved_small(name: str, apart: int, most: int) -> None:
    file = MODELS / f"{name}.int8.tflite"
    if not file.is_file():
        pytest.skip(f"{file.name} is not beside this repository")
    graph = import_tflite(file.read_bytes(), file.name, DEFINITIONS)
    arenas = set()
    for target in ("nrf52840", "corstone300", "rpi4", "browser", "linux-x86_64"):
        # Scalar kernels have no scratch: the arena is the tensors', and every target's the same.
        plan = projects.plan_of(graph, target, isas=["scalar"])
        assert plan.arena_proved_optimal
        arenas.add(plan.arena_bytes)
        separate = projects.plan_of(graph, target, isas=["scalar"], strategy=APART)
        assert separate.arena_bytes == apart
        plan = projects.plan_of(graph, target)
        assert plan.arena_proved_optimal
        # A browser and a PC have RAM: their kernels' scratch has no mark to keep to.
        assert plan.arena_bytes <= most or target in ("browser", "linux-x86_64")
    assert len(arenas) == 1
    assert arenas.pop() <= most


def test_vww_in_bands_needs_less_for_more_work() -> None:
    file = MODELS / "vww.int8.tflite"
    if not file.is_file():
        pytest.skip(f"{file.name} is not beside this repository")
    graph = import_tflite(file.read_bytes(), file.name, DEFINITIONS)
    whole = projects.plan_of(graph, "nrf52840")
    banded = projects.plan_of(graph, "nrf52840", strategy=MemoryStrategy(bands=3))
    assert banded.arena_bytes < 0.9 * whole.arena_bytes
    macs = [sum(planned.call.n_macs for planned in p.calls) for p in (banded, whole)]
    assert macs[1] < macs[0] < 1.02 * macs[1]
