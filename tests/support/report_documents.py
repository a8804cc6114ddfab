"""Documents as a planner of many candidates writes them, for tests of the report."""

from __future__ import annotations

from typing import Any

from anvil.report.documents import TargetDocuments

CANDIDATES = ("float32", "float16", "int8", "int16x8", "mixed")
_SIZES = (1536, 4608, 4608, 2304, 4608, 1152, 2304, 576, 96, 10)  # bytes between calls
_OPS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "AVERAGE_POOL_2D",
    "FULLY_CONNECTED",
    "SOFTMAX",
)
_MACS = (41_472, 82_944, 147_456, 20_736, 294_912, 10_368, 2_304, 55_296, 0)


def memory(names: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    """Tensors that take turns at both ends of the arena; depthwise ones reuse their input."""
    rows: list[dict[str, Any]] = []
    for number, size in enumerate(_SIZES):
        overlapping = number > 0 and number < len(_OPS) and _OPS[number - 1].startswith("DEPTH")
        previous = rows[-1]["offset"] if rows else 0
        top = 6912 - size
        rows.append(
            {
                "name": names[number] if names else f"layer_{number}/output",
                "kind": "tensor",
                "shape": [1, size],
                "dtype": "int8",
                "offset": previous + 256 if overlapping and previous == 0 else number % 2 * top,
                "size_bytes": size,
                "first_use": number - 1,
                "last_use": number,
            }
        )
    rows.append(
        {
            "name": "layer_5/output",
            "kind": "scratch",
            "shape": None,
            "dtype": None,
            "offset": 4992,
            "size_bytes": 640,
            "first_use": 4,
            "last_use": 4,
        }
    )
    return rows


def _candidate(number: int, *, with_accuracy: bool) -> dict[str, Any]:
    name = CANDIDATES[number]
    value = (0.941, 0.9408, 0.9213, 0.9402, 0.9366)[number]
    accuracy = {
        "metric": "top1",
        "value": value,
        "interval": [value - 0.014, value + 0.012],
        "reference": 0.941,
        "drop": 0.941 - value,
        "n_samples": 1797,
        "higher_is_better": True,
    }
    fidelity = {
        "signal_to_noise_db": (None, 71.2, 28.4, 58.9, 41.0)[number],
        "n_inferences": 64,
        "inputs": "calibration",
    }
    return {
        "name": name,
        "sha256": f"{number}" * 64,
        "model_bytes": (301_000, 158_000, 84_000, 90_000, 131_000)[number],
        "accuracy": accuracy if with_accuracy else None,
        "fidelity": fidelity,
        "status": "considered",
        "reason": "",
    }


def _choices() -> list[dict[str, Any]]:
    found = []
    for number, name in enumerate(CANDIDATES):
        for n_strategy, strategy in enumerate(("overlap, reorder", "overlap", "separate")):
            ram = (27_900, 27_800, 8_600, 15_100, 13_400)[number] + 2_300 * n_strategy
            fits = number not in {0, 1} or n_strategy == 0
            failed = [{"what": "RAM", "value": ram, "limit": 28_672, "unit": "B"}]
            found.append(
                {
                    "candidate": name,
                    "strategy": strategy,
                    "ram_bytes": ram,
                    "flash_bytes": (310_000, 170_000, 92_000, 101_000, 140_000)[number]
                    + 800 * (2 - n_strategy),
                    "instructions": (9_100_000, 9_700_000, 4_310_000, 6_800_000, 5_900_000)[number],
                    "latency_s": (0.21, 0.23, 0.101, 0.16, 0.135)[number],
                    "accuracy": None,
                    "fits": fits,
                    "failed": [] if fits else failed,
                    "pareto": n_strategy == 0,
                    "chosen": (name, n_strategy) == ("int16x8", 0),
                }
            )
    return found


def plan(
    target: str, names: tuple[str, ...] | None = None, *, with_accuracy: bool = True
) -> dict[str, Any]:
    """A plan.json of 5 candidates, 15 choices and 9 calls; `names` are the tensors'."""
    n_layers = len(_OPS)
    return {
        "format": 1,
        "digest": "ab" * 32,
        "name": "words",
        "target": target,
        "toolchain": {"name": "zig", "package": "ziglang", "version": "0.17.1"},
        "model_sha256": "5a" * 32,
        "candidate": "int16x8",
        "inputs": [],
        "outputs": [],
        "ops": [
            {
                "index": number,
                "op": op,
                "variant": f"anvil_{op.lower()}_int8_direct__scalar",
                "tensor": names[number + 1] if names else f"layer_{number + 1}/output",
                "macs": _MACS[number],
                "weight_bytes": _MACS[number] // 12,
                "instructions": 9 * _MACS[number] + 4_000,
                "cycles": 13 * _MACS[number] + 6_000,
            }
            for number, op in enumerate(_OPS)
        ],
        "memory": memory(names),
        "rewrites": [
            {
                "name": "dead_channels",
                "applied": 971,
                "macs_saved": 3_370_000,
                "weight_bytes_saved": 68_112,
                "ops_saved": 0,
            },
            {
                "name": "pad",
                "applied": 4,
                "macs_saved": 0,
                "weight_bytes_saved": 0,
                "ops_saved": 4,
            },
            {
                "name": "merged_activations",
                "applied": 0,
                "macs_saved": 0,
                "weight_bytes_saved": 0,
                "ops_saved": 0,
            },
        ],
        "arena_bytes": 6912,
        "arena_lower_bound_bytes": 5760,
        "arena_proved_optimal": False,
        "ram_bytes": {"arena": 6912, "data": 120, "bss": 512, "stack": 1024, "total": 8568},
        "flash_bytes": {"code": 9_800, "weights": 54_624, "total": 64_424},
        "instructions": 5_936_000 + 4_000 * n_layers,
        "cycles": 8_530_000,
        "latency_s": 0.133,
        "accuracy": None,
        "fits": True,
        "requirements": {
            "max_accuracy_drop": 0.01,
            "max_latency_s": 0.2,
            "max_ram_bytes": 28_672,
            "max_flash_bytes": None,
        },
        "candidates": [_candidate(n, with_accuracy=with_accuracy) for n in range(5)],
        "choices": _choices(),
        "decision": {
            "order": ["meets every requirement", "least flash", "least RAM"],
            "text": [
                "int16x8 with overlapping memory is the smallest that loses 0.01 or less of top1.",
                "int8 would save 9,000 B of flash and loses 0.0197.",
            ],
        },
        "rejected": [],
    }


def measured() -> dict[str, Any]:
    """A measured.json that is a little off the plan."""
    return {
        "format": 1,
        "arena_bytes": 6912,
        "ram_bytes": {"arena": 6912, "data": 120, "bss": 516, "stack": 1024, "total": 8572},
        "flash_bytes": {"code": 9_912, "weights": 54_624, "total": 64_536},
        "instructions": 5_701_220,
        "cycles": None,
        "latency_s": None,
    }


def documents(
    target: str = "nrf52840",
    names: tuple[str, ...] | None = None,
    *,
    with_accuracy: bool = True,
    **changes: Any,  # noqa: ANN401  any field of TargetDocuments
) -> TargetDocuments:
    """One built target."""
    values: dict[str, Any] = {
        "target": target,
        "board": f"The board of {target}",
        "plan": plan(target, names, with_accuracy=with_accuracy),
        "measured": measured(),
        "manifest": {
            "files": [
                {"path": "words.elf", "size_bytes": 70_000, "sha256": "cd" * 32},
                {"path": "project/platformio.ini", "size_bytes": 70, "sha256": "ef" * 32},
            ]
        },
        "ram_limit_bytes": 262_144,
        "flash_limit_bytes": 1_048_576,
        "function_bytes": {
            "anvil_conv_2d_int8_direct__scalar": 728,
            "anvil_depthwise_conv_2d_int8_direct__scalar": 616,
            "anvil_softmax_int8_fixed_point__scalar": 504,
            "main": 290,
        },
    }
    return TargetDocuments(**values | changes)
