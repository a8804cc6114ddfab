"""plan.json: the plan as others read it, and the digest of its decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.core.digest import digest_of, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anvil.core.plan import KernelCall, Plan
    from anvil.core.prediction import Prediction
    from anvil.core.target import Requirements

PLAN_FORMAT = 1


def plan_digest(plan: Plan) -> str:
    """SHA-256 of the plan's decisions; predictions and explanations stay out of it."""
    return key_of(
        {
            "format": PLAN_FORMAT,
            "name": plan.name,
            "target": plan.target.digest,
            "candidate": plan.candidate,
            "model": plan.model_sha256,
            "ports": [_ports(plan, plan.graph.inputs), _ports(plan, plan.graph.outputs)],
            "calls": [
                [
                    planned.op_index,
                    planned.kernel,
                    planned.scratch_offset,
                    *_call(planned.call),
                ]
                for planned in plan.calls
            ],
            "allocations": [[a.tensor, a.offset, a.size_bytes] for a in plan.allocations],
            "arena_bytes": plan.arena_bytes,
        }
    )


def _call(call: KernelCall) -> list[Any]:
    return [
        [[field, value] for field, value in call.parameters],
        call.inputs,
        call.outputs,
        [[c.name, c.dtype.value, c.shape, digest_of(c.data).sha256] for c in call.constants],
    ]


def _ports(plan: Plan, indices: Iterable[int]) -> list[dict[str, Any]]:
    rows = []
    for index in indices:
        tensor = plan.graph.tensors[index]
        quantization = tensor.quantization
        rows.append(
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "dtype": tensor.dtype.value,
                "scale": None if quantization is None else quantization.scale,
                "zero_point": None if quantization is None else quantization.zero_point,
            }
        )
    return rows


def _memory(plan: Plan) -> list[dict[str, Any]]:
    """What lies where in the arena, and from which call to which, both included.

    `first_use` is -1 for the model's inputs, `last_use` the number of calls for its outputs.
    """
    rows: list[dict[str, Any]] = []
    for allocation in plan.allocations:
        tensor = plan.graph.tensors[allocation.tensor]
        rows.append(
            {
                "name": tensor.name,
                "kind": "tensor",
                "shape": list(tensor.shape),
                "dtype": tensor.dtype.value,
                "offset": allocation.offset,
                "size_bytes": allocation.size_bytes,
                "first_use": allocation.first_use,
                "last_use": allocation.last_use,
            }
        )
    rows += [
        {
            "name": plan.graph.tensors[planned.call.outputs[0]].name,
            "kind": "scratch",
            "shape": None,
            "dtype": None,
            "offset": planned.scratch_offset,
            "size_bytes": planned.scratch_bytes,
            "first_use": number,
            "last_use": number,
        }
        for number, planned in enumerate(plan.calls)
        if planned.scratch_bytes
    ]
    return rows


def _figure(
    prediction: Prediction | None, figure: Callable[[Prediction], float | None]
) -> float | None:
    return None if prediction is None else figure(prediction)


def _ram_bytes(plan: Plan, prediction: Prediction | None) -> dict[str, float | None]:
    """`stack` is what the program reserves; where nothing reserves one, the bound."""
    return {
        "arena": plan.arena_bytes,
        "data": _figure(prediction, lambda p: p.data_bytes),
        "bss": _figure(prediction, lambda p: p.bss_bytes),
        "stack": plan.target.stack_bytes
        or _figure(prediction, lambda p: p.reserved_stack_bytes or p.stack_bytes),
        "total": _figure(prediction, lambda p: p.ram_bytes),
    }


def plan_document(
    plan: Plan, requirements: Requirements, prediction: Prediction | None = None
) -> dict[str, Any]:
    """The contents of plan.json; what is not known before compiling is null."""
    target = plan.target
    costs = prediction.calls if prediction is not None else (None,) * len(plan.calls)
    return {
        "format": PLAN_FORMAT,
        "digest": plan_digest(plan),
        "name": plan.name,
        "target": target.name,
        "toolchain": {
            "name": target.toolchain.name,
            "package": target.toolchain.package,
            "version": target.toolchain.version,
        },
        "model_sha256": plan.model_sha256,
        "candidate": plan.candidate,
        "inputs": _ports(plan, plan.graph.inputs),
        "outputs": _ports(plan, plan.graph.outputs),
        "ops": [
            {
                "index": planned.op_index,
                "op": planned.op_kind,
                "variant": planned.variant.symbol,
                "specialised": planned.is_specialised,
                "tensor": plan.graph.tensors[planned.call.outputs[0]].name,
                "macs": planned.call.n_macs,
                "weight_bytes": weight_bytes,
                "instructions": None if cost is None else cost.instructions,
                "cycles": None if cost is None else cost.cycles,
            }
            for planned, weight_bytes, cost in zip(
                plan.calls, plan.weight_bytes_by_call, costs, strict=True
            )
        ],
        "memory": _memory(plan),
        "rewrites": [],
        "arena_bytes": plan.arena_bytes,
        "arena_lower_bound_bytes": plan.arena_lower_bound_bytes,
        "arena_proved_optimal": plan.arena_proved_optimal,
        "arena_gap": round(plan.arena_gap, 6),
        "ram_bytes": _ram_bytes(plan, prediction),
        "stack_bound_bytes": _figure(prediction, lambda p: p.stack_bytes),
        "flash_bytes": {
            "code": _figure(prediction, lambda p: p.code_bytes),
            "weights": plan.weight_bytes,
            "total": _figure(prediction, lambda p: p.flash_bytes),
        },
        "instructions": _figure(prediction, lambda p: p.instructions),
        "cycles": _figure(prediction, lambda p: p.cycles),
        "latency_s": _figure(prediction, lambda p: p.latency_s),
        "accuracy": None,
        "fits": True,
        "requirements": {
            "max_accuracy_drop": requirements.max_accuracy_drop,
            "max_latency_s": requirements.max_latency_s,
            "max_ram_bytes": requirements.max_ram_bytes,
            "max_flash_bytes": requirements.max_flash_bytes,
        },
        "rejected": [
            {"index": r.op_index, "choice": r.choice, "reason": r.reason} for r in plan.rejected
        ],
    }
