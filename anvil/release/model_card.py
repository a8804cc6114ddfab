"""The model's card: what its documents know of it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.release.target_folder import TargetFolder

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}


def model_card(
    targets: Sequence[TargetFolder], *, data_references: Sequence[str]
) -> dict[str, Any]:
    """The card of a model for `targets`, which are built from it.

    data_references: the bom-refs of the data that calibrated and measured it.
    """
    plans = [target.plan for target in targets]
    parameters: dict[str, Any] = {}
    metrics = {(plan.get("accuracy") or {}).get("metric") for plan in plans}
    if metrics == {"top1"}:
        # It counts the samples whose largest output is the right class.
        parameters["task"] = "classification"
    family = _family({op["op"] for plan in plans for op in plan.get("ops", ())})
    if family:
        parameters["architectureFamily"] = family
    if data_references:
        parameters["datasets"] = [{"ref": reference} for reference in data_references]
    for key in ("inputs", "outputs"):
        formats = dict.fromkeys(_format(port) for plan in plans for port in plan.get(key, ()))
        if formats:
            parameters[key] = [{"format": text} for text in formats]
    card: dict[str, Any] = {"modelParameters": parameters}
    measured = [row for target in targets for row in _metrics(target)]
    if measured:
        card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    card["properties"] = [
        {"name": f"anvil:quantization:{target.name}", "value": str(target.plan["candidate"])}
        for target in targets
    ]
    return card


def _family(kinds: set[str]) -> str:
    if kinds & _CONVOLUTIONS:
        return "convolutional neural network"
    if "FULLY_CONNECTED" in kinds:
        return "fully connected neural network"
    return ""


def _format(port: Mapping[str, Any]) -> str:
    """A tensor as text: int8[1,8,8,1], scale 0.0039, zero point -128."""
    text = f"{port['dtype']}[{','.join(str(size) for size in port['shape'])}]"
    if isinstance(port.get("scale"), float):
        text += f", scale {port['scale']!r}, zero point {port['zero_point']}"
    return text


def _metrics(target: TargetFolder) -> list[dict[str, Any]]:
    """The accuracy on the evaluation data, with its 95 % interval; empty where it is unknown."""
    accuracy = target.plan.get("accuracy")
    if not accuracy:
        return []
    row: dict[str, Any] = {
        "type": str(accuracy["metric"]),
        "value": repr(accuracy["value"]),
        "slice": f"{target.name}, {target.plan['candidate']}",
    }
    if accuracy.get("interval"):
        low, high = accuracy["interval"]
        row["confidenceInterval"] = {"lowerBound": repr(low), "upperBound": repr(high)}
    rows = [row]
    if accuracy.get("reference") is not None:
        rows.append(
            {
                "type": str(accuracy["metric"]),
                "value": repr(accuracy["reference"]),
                "slice": "the model before quantization, the same data",
            }
        )
    return rows
