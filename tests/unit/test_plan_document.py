"""What plan.json says of the arena and of the weights."""

from __future__ import annotations

from anvil.core.target import Requirements
from anvil.plan.document import plan_document
from tests.support import projects
from tests.support.graphs import small_network


def test_the_memory_rows_lie_in_the_arena_and_cover_every_tensor() -> None:
    plan = projects.plan_of(small_network(), "nrf52840")
    document = plan_document(plan, Requirements())
    rows = document["memory"]
    tensors = [row for row in rows if row["kind"] == "tensor"]
    scratch = [row for row in rows if row["kind"] == "scratch"]
    assert len(tensors) == len(plan.allocations)
    assert len(scratch) == sum(bool(planned.scratch_bytes) for planned in plan.calls)
    assert max(row["offset"] + row["size_bytes"] for row in rows) <= document["arena_bytes"]
    assert {row["name"] for row in tensors} >= {port["name"] for port in document["inputs"]}
    assert {row["first_use"] for row in rows} >= {-1}
    assert max(row["last_use"] for row in rows) == len(document["ops"])


def test_every_layer_has_its_weights_and_together_they_are_all() -> None:
    plan = projects.plan_of(small_network(), "nrf52840")
    ops = plan_document(plan, Requirements())["ops"]
    assert sum(op["weight_bytes"] for op in ops) == plan.weight_bytes > 0
    assert [op["tensor"] for op in ops] == [
        plan.graph.tensors[planned.call.outputs[0]].name for planned in plan.calls
    ]
