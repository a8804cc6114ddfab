"""What plan.json says of the choice: candidates, choices, the decision in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.core.decision import Criterion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.candidate import Accuracy, Candidate, Fidelity
    from anvil.core.decision import Choice, Decision
    from anvil.core.fit import Misfit

_WORDS = {
    Criterion.ACCURACY: "the smallest loss against the float model",
    Criterion.FLASH: "the least flash",
    Criterion.RAM: "the least RAM",
    Criterion.LATENCY: "the shortest latency",
    Criterion.PRODUCT: "the shortest latency, grown by the shares of flash and RAM that are taken",
}


def decision_sections(decision: Decision, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The keys `candidates`, `choices`, `decision`, `rewrites` and `accuracy` of plan.json."""
    chosen = decision.chosen
    failed = {one.name: one for one in decision.failed}
    rows = [
        {
            "name": candidate.name,
            "sha256": candidate.sha256,
            "model_bytes": len(candidate.content),
            "accuracy": accuracy_document(candidate.accuracy),
            "fidelity": fidelity_document(candidate.fidelity),
            "status": "failed" if candidate.name in failed else "considered",
            "reason": _reason(failed.pop(candidate.name, None)),
        }
        for candidate in candidates
    ]
    rows += [
        {
            "name": one.name,
            "sha256": None,
            "model_bytes": None,
            "accuracy": None,
            "fidelity": None,
            "status": "failed",
            "reason": _reason(one),
        }
        for one in failed.values()
    ]
    return {
        "accuracy": None if chosen is None else accuracy_document(chosen.candidate.accuracy),
        "fidelity": None if chosen is None else fidelity_document(chosen.candidate.fidelity),
        "disabled_rewrites": [] if chosen is None else list(chosen.disabled_rewrites),
        "bands": 1 if chosen is None else chosen.n_bands,
        "kernel_order": []
        if chosen is None
        else [criterion.value for criterion in chosen.kernel_order],
        "rewrites": []
        if chosen is None
        else [
            {
                "name": one.name,
                "applied": one.n_applied,
                "macs_saved": one.macs_saved,
                "weight_bytes_saved": one.weight_bytes_saved,
                "ops_saved": one.ops_saved,
            }
            for one in chosen.applied
        ],
        "candidates": rows,
        "choices": [
            _choice(choice, is_pareto=is_pareto, is_chosen=choice is chosen)
            for choice, is_pareto in zip(decision.choices, decision.pareto, strict=True)
        ],
        "decision": {
            "order": [_WORDS[criterion] for criterion in decision.order],
            "text": sentences(decision),
        },
    }


def sentences(decision: Decision) -> list[str]:
    """The decision for people: what was taken and why, then what was not."""
    lines = []
    chosen = decision.chosen
    fitting = [choice for choice in decision.choices if choice.fits]
    if chosen is None:
        lines.append("No choice meets every requirement.")
    elif len(decision.choices) == 1:
        lines.append(f"{chosen.label} is taken: it is the only choice.")
    elif len(fitting) == 1:
        lines.append(f"{chosen.label} is taken: nothing else fits.")
    else:
        lines.append(
            f"{chosen.label} is taken: of the {len(fitting)} choices that fit it has "
            f"{_WORDS[decision.order[0]]}."
        )
    if len(decision.choices) > 1:
        lines += [
            f"As {quantity} is not known for every choice, {used} is compared in its stead."
            for quantity, used in decision.stand_ins
        ]
    if chosen is not None:
        lines += _of_quality(chosen)
    behind = [choice.label for choice in fitting if choice is not chosen]
    if behind:
        verbs = ("fits", "comes") if len(behind) == 1 else ("fit", "come")
        lines.append(f"{', '.join(behind)} {verbs[0]}, too, and {verbs[1]} behind in that order.")
    for choice in decision.choices:
        if not choice.fits:
            reasons = "; ".join(misfit.diagnostic().message for misfit in choice.misfits)
            lines.append(f"{choice.label} is rejected: {reasons}.")
    lines += [f"{one.name} is not there: {_reason(one)}" for one in decision.failed]
    return lines


def _of_quality(chosen: Choice) -> list[str]:
    accuracy, fidelity = chosen.candidate.accuracy, chosen.candidate.fidelity
    if accuracy is not None:
        low, high = accuracy.interval
        text = (
            f"Its {accuracy.metric} is {accuracy.value:.4g} (95 % between {low:.4g} and "
            f"{high:.4g}, {accuracy.n_samples:,} samples)"
        )
        if accuracy.reference is not None:
            text += f"; the float model's is {accuracy.reference:.4g}"
        return [f"{text}."]
    if fidelity is not None and fidelity.signal_to_noise_db is not None:
        return [
            (
                f"Its outputs keep {fidelity.signal_to_noise_db:.1f} dB of signal to noise against "
                f"the float model on {fidelity.inputs} inputs, which is not accuracy: evaluation "
                "data would tell."
            )
        ]
    return []


def _choice(choice: Choice, *, is_pareto: bool, is_chosen: bool) -> dict[str, Any]:
    prediction = choice.prediction
    accuracy = choice.candidate.accuracy
    fidelity = choice.candidate.fidelity
    return {
        "candidate": choice.candidate.name,
        "strategy": choice.variation or "usual",
        "ram_bytes": prediction.ram_bytes,
        "arena_bytes": prediction.arena_bytes,
        "flash_bytes": prediction.flash_bytes,
        "weight_bytes": prediction.weight_bytes,
        "instructions": prediction.instructions,
        "latency_s": prediction.latency_s,
        "accuracy": None if accuracy is None else accuracy.value,
        "signal_to_noise_db": None if fidelity is None else fidelity.signal_to_noise_db,
        "is_exact": fidelity is not None and fidelity.signal_to_noise_db is None,
        "fits": choice.fits,
        "failed": [_misfit(misfit) for misfit in choice.misfits],
        "pareto": is_pareto,
        "chosen": is_chosen,
    }


def _misfit(misfit: Misfit) -> dict[str, Any]:
    return {
        "what": misfit.what,
        "value": misfit.value,
        "limit": misfit.limit,
        "unit": misfit.unit,
        "text": misfit.diagnostic().message,
    }


def accuracy_document(accuracy: Accuracy | None) -> dict[str, Any] | None:
    """`accuracy` as plan.json has it."""
    if accuracy is None:
        return None
    return {
        "metric": accuracy.metric,
        "value": accuracy.value,
        "interval": list(accuracy.interval),
        "reference": accuracy.reference,
        "drop": accuracy.drop,
        "n_samples": accuracy.n_samples,
        "higher_is_better": accuracy.higher_is_better,
    }


def fidelity_document(fidelity: Fidelity | None) -> dict[str, Any] | None:
    """`fidelity` as plan.json has it."""
    if fidelity is None:
        return None
    return {
        "signal_to_noise_db": fidelity.signal_to_noise_db,
        "n_inferences": fidelity.n_inferences,
        "inputs": fidelity.inputs,
    }


def _reason(failed: Any) -> str | None:  # noqa: ANN401
    if failed is None:
        return None
    return "; ".join(d.message for d in failed.diagnostics)
