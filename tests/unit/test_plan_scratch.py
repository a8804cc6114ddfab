"""The scratch argument is the kernel's, whether or not a call needs any of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anvil.core.target import Requirements
from anvil.ops.registry import DEFINITIONS
from anvil.plan.document import plan_document
from anvil.plan.kernel_registry import load_variants
from anvil.plan.make import make_plan
from anvil.resources import built_in, contents, read_folder
from tests.support import projects
from tests.support.graphs import small_network

_SCALAR = [
    variant
    for variant in load_variants(contents(read_folder(built_in("kernels"))))
    if not variant.requires
]


@pytest.mark.parametrize(
    ("scratch_bytes", "takes_scratch"), [("0", False), ("0 * batches", True), ("8", True)]
)
def test_a_kernel_that_declares_scratch_is_given_it(
    scratch_bytes: str, *, takes_scratch: bool
) -> None:
    variants = [
        replace(variant, scratch_bytes=scratch_bytes) if variant.op == "conv_2d" else variant
        for variant in _SCALAR
    ]
    plan = make_plan(
        small_network(),
        name="small",
        target=projects.target("nrf52840"),
        variants=variants,
        definitions=DEFINITIONS,
        model_sha256=projects.MODEL_SHA256,
    )
    (planned,) = (one for one in plan.calls if one.call.op == "conv_2d")
    assert planned.variant.takes_scratch is takes_scratch
    source = projects.render_library_alone(plan)["library/src/small.c"].decode()
    call = source.partition(f"{planned.variant.symbol}(\n")[2].partition(");")[0]
    n_pointers = 1 + sum(
        map(len, (planned.call.inputs, planned.call.constants, planned.call.outputs))
    )
    assert call.count(",") + 1 == n_pointers + takes_scratch
    rows = plan_document(plan, Requirements())["memory"]
    assert [row["size_bytes"] for row in rows if row["kind"] == "scratch"] == (
        [8] if scratch_bytes == "8" else []
    )
