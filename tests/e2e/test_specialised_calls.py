"""Calls with kernels of their own: what is rendered, that it is right, and what it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.target import Requirements
from anvil.plan.document import plan_digest, plan_document
from anvil.verify import native, node, qemu_user
from anvil.verify.call_counts import count_calls
from tests.support import projects
from tests.support.graphs import small_network
from tests.support.programs import require_program

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import Plan

GRAPH = small_network()


def specialised(plan: Plan, *numbers: int) -> Plan:
    """The plan with kernels of their own for some calls."""
    return replace(
        plan,
        calls=tuple(
            replace(planned, is_specialised=number in numbers)
            for number, planned in enumerate(plan.calls)
        ),
    )


def test_only_calls_with_a_kernel_of_their_own_have_a_file() -> None:
    plan = projects.plan_of(GRAPH, "linux-x86_64")
    shared = projects.render_library_alone(plan)
    files = projects.render_library_alone(specialised(plan, 1))
    assert files.keys() - shared.keys() == {
        "library/src/small_call1.c",
        "library/src/small_calls.h",
    }
    kernel = plan.calls[1].variant
    own = files["library/src/small_call1.c"].decode()
    assert f'#include "{kernel.source}"' in own
    assert "small_call1_parameters = {" in own
    model = files["library/src/small.c"].decode()
    assert "small_call1(\n        arena);" in model
    assert "small_call1_parameters" not in model
    assert "small_call0_parameters = {" in model


def test_the_plan_says_which_calls_these_are_and_its_digest_covers_it() -> None:
    plan = projects.plan_of(GRAPH, "linux-x86_64")
    one, other = specialised(plan, 0), specialised(plan, 1)
    assert len({plan_digest(p) for p in (plan, one, other)}) == 3
    ops = plan_document(other, Requirements())["ops"]
    assert [op["specialised"] for op in ops] == [n == 1 for n in range(len(ops))]


@pytest.mark.parametrize("target", ["linux-x86_64", "rpi4", "browser"])
def test_the_outputs_are_the_same_bits(target: str, cache_folder: Path, tmp_path: Path) -> None:
    programs = {"rpi4": "qemu-aarch64", "browser": "node"}
    if target in programs:
        require_program(programs[target])
    plan = projects.plan_of(GRAPH, target)
    # One of two calls of a kernel shares it no longer; the others have none but their own.
    plan = specialised(plan, *range(1, len(plan.calls)))
    projects.build(plan, cache_folder, tmp_path)
    rng = np.random.default_rng(7)
    tensors = [GRAPH.tensors[index] for index in GRAPH.inputs]
    batches = [
        tuple(rng.normal(0, 40, t.shape).astype(t.dtype.value).tobytes() for t in tensors)
        for _ in range(10)
    ]
    run = {"linux-x86_64": native.run, "rpi4": qemu_user.run, "browser": node.run}[target]
    result = run(projects.invocation(plan, tmp_path, batches))
    assert result.outputs == tuple(projects.reference(GRAPH, batch) for batch in batches)


def test_a_microcontroller_spends_less_where_the_parameters_are_known(
    cache_folder: Path, tmp_path: Path
) -> None:
    require_program("qemu-system-arm")
    plan = projects.plan_of(GRAPH, "nrf52840")
    own = specialised(plan, *range(len(plan.calls)))
    (tensor,) = (GRAPH.tensors[index] for index in GRAPH.inputs)
    batch = (np.arange(tensor.n_elements).astype(tensor.dtype.value).tobytes(),)
    counted = {}
    for name, one in (("shared", plan), ("own", own)):
        projects.build(one, cache_folder, tmp_path / name)
        invocation = projects.invocation(one, tmp_path / name, [batch])
        counted[name] = count_calls(invocation, n_calls=len(one.calls)).calls
    assert sum(counted["own"]) < sum(counted["shared"])
