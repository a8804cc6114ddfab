"""The plan of a target that was built, from its model and the decisions that plan.json states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.pipeline.planning import import_tflite_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.plan import Plan
    from anvil.core.target import Target


def plan_again(
    document: Mapping[str, Any],
    model: bytes,
    *,
    file: str,
    name: str,
    target: Target,
    kernels: Mapping[str, bytes],
    profiles: Mapping[str, bytes],
) -> Plan:
    """The same plan, where all else than `document` and `model` is the same as then.

    document: plan.json; model: the .tflite that was planned; file: its name in messages;
    kernels, profiles: kernels/ and targets/ by path, whose cost tables kernels are weighed by.
    """
    from anvil.core.decision import Criterion
    from anvil.core.plan import MemoryStrategy
    from anvil.ops.registry import DEFINITIONS
    from anvil.plan.costs import load_costs
    from anvil.plan.kernel_registry import load_variants
    from anvil.plan.make import make_plan
    from anvil.plan.rewrites.rewrite import rewrite

    graph = import_tflite_model(model, file)
    disabled = frozenset(document["disabled_rewrites"])
    return make_plan(
        rewrite(graph, DEFINITIONS, disabled=disabled).graph,
        name=name,
        target=target,
        variants=load_variants(kernels),
        definitions=DEFINITIONS,
        model_sha256=str(document["model_sha256"]),
        candidate=str(document["candidate"]),
        strategy=MemoryStrategy(bands=int(document["bands"])),
        costs=load_costs(profiles, target),
        order=tuple(Criterion(word) for word in document["kernel_order"]),
    )
