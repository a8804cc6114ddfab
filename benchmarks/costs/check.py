"""Predicted against measured, for the benchmark models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.decision import ORDERS
from anvil.core.target import Requirements
from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS
from anvil.package.measure import measured_document
from anvil.plan.costs import load_costs
from anvil.plan.document import plan_document
from anvil.plan.kernel_registry import load_variants
from anvil.plan.make import make_plan
from anvil.plan.predict import predict
from benchmarks.costs.measure import build, count, data, program_of
from tests.support.programs import ROOT
from tests.support.projects import target as built_in_target

if TYPE_CHECKING:
    from anvil.core.plan import Plan
    from anvil.core.prediction import Prediction

MODELS = ("kws", "vww", "ic", "ad", "sww")
_COUNTED = {"nrf52840", "corstone300", "hifive1-revb", "rpi4", "rpi5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One model on one target."""

    plan: Plan
    prediction: Prediction
    measured: dict[str, Any]  # measured.json
    instructions: int | None  # counted


def checked(model: str, target_name: str, optimize: str = "balanced") -> Checked:
    """Plan, predict, build, measure and count a benchmark model of ../shared/models."""
    target = built_in_target(target_name)
    file = f"{model}.int8.tflite"
    content = (ROOT.parent / "shared" / "models" / file).read_bytes()
    costs = load_costs(data("targets"), target)
    plan = make_plan(
        import_tflite(content, file, DEFINITIONS),
        name=model,
        target=target,
        variants=load_variants(data("kernels")),
        definitions=DEFINITIONS,
        model_sha256="00" * 32,
        costs=costs,
        order=ORDERS[optimize],
    )
    prediction = predict(plan, costs)
    outputs = build(plan)
    document = plan_document(plan, Requirements(), prediction)
    counted = None
    if target_name in _COUNTED:
        counted = count(plan, outputs, seed=1).run.instructions
    return Checked(
        plan=plan,
        prediction=prediction,
        measured=measured_document(target, document, program_of(plan, outputs)),
        instructions=counted,
    )


def check(target_name: str) -> None:
    """Print a line for each model."""
    for model in MODELS:
        found = checked(model, target_name)
        prediction, measured = found.prediction, found.measured
        rows = (
            ("arena", prediction.arena_bytes, measured["arena_bytes"]),
            ("RAM", prediction.ram_bytes, measured["ram_bytes"]["total"]),
            ("flash", prediction.flash_bytes, measured["flash_bytes"]["total"]),
            ("instructions", prediction.instructions, found.instructions),
        )
        print(
            f"{target_name:13}{model:5}"
            + "  ".join(f"{name} {_pair(ours, truth)}" for name, ours, truth in rows)
            + f"  stack <= {prediction.stack_bytes}  latency {_ms(prediction.latency_s)}"
            + (f"  unknown: {', '.join(prediction.unknown)}" if prediction.unknown else ""),
            flush=True,
        )


def _pair(predicted: int | None, measured: int | None) -> str:
    if predicted is None or measured is None:
        return f"{predicted}/{measured}"
    return f"{predicted:,}/{measured:,} ({predicted / measured - 1:+.2%})"


def _ms(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds * 1000:.3f} ms"
