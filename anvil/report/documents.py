"""What the report is made of: the documents of each target, read with everything optional."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anvil.report.amounts import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDocuments:
    """One target's plan.json, measured.json and manifest.json, None where there is none."""

    target: str
    board: str  # for people
    plan: Mapping[str, Any] | None
    measured: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    ram_limit_bytes: int | None = None  # the board's; None where an operating system gives it
    flash_limit_bytes: int | None = None
    function_bytes: Mapping[str, int] | None = None  # of the built program, by symbol
    problems: tuple[str, ...] = ()  # why it was not planned or built


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """A candidate's metric on the evaluation data."""

    metric: str
    value: float
    low: float | None  # of the 95 % confidence interval
    high: float | None
    reference: float | None  # the float model's
    drop: float | None
    n_samples: int | None
    higher_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One quantization that was considered."""

    name: str
    model_bytes: int | None
    accuracy: Accuracy | None
    signal_to_noise_db: float | None
    is_exact: bool  # no output differed from the float model's
    fidelity_inputs: str | None
    n_inferences: int | None
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One combination that the planner looked at."""

    candidate: str
    strategy: str
    values: Mapping[str, float | None]  # by the keys of METRICS
    fits: bool | None
    failed: tuple[str, ...]  # in words
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a choice is judged by."""

    key: str
    label: str
    unit: str
    higher_is_better: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A tensor or a scratch area in the arena."""

    name: str
    kind: str
    shape: tuple[int, ...] | None
    dtype: str
    offset: int
    size_bytes: int
    first_use: int
    last_use: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One kernel call."""

    number: int
    op: str
    tensor: str
    variant: str
    macs: int | None
    instructions: int | None
    cycles: int | None
    weight_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """What one kind of rewrite gained."""

    name: str
    applied: int | None
    macs_saved: int | None
    weight_bytes_saved: int | None
    ops_saved: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A figure before and after compiling."""

    label: str
    unit: str
    predicted: float | None
    measured: float | None

    @property
    def error(self) -> float | None:
        """(measured - predicted) / predicted; None where there is nothing to compare."""
        if self.predicted is None or self.measured is None:
            return None
        if self.predicted == 0:
            return 0.0 if self.measured == 0 else None
        return self.measured / self.predicted - 1

    @property
    def best(self) -> float | None:
        """What was measured, else what was predicted."""
        return self.predicted if self.measured is None else self.measured


METRICS = (
    Metric(key="ram_bytes", label="RAM", unit="B"),
    Metric(key="flash_bytes", label="Flash", unit="B"),
    Metric(key="arena_bytes", label="Arena", unit="B"),
    Metric(key="weight_bytes", label="Weights", unit="B"),
    Metric(key="instructions", label="Instructions", unit=""),
    Metric(key="latency_s", label="Latency", unit="s"),
    Metric(key="accuracy", label="Accuracy", unit="metric", higher_is_better=True),
    Metric(key="signal_to_noise_db", label="Signal to noise", unit="dB", higher_is_better=True),
)


_UNITS = {"bytes": "B", "seconds": "s"}


def field(document: Mapping[str, Any] | None, *path: str) -> Any:  # noqa: ANN401  any JSON value
    """The value at a path of keys; None where any of them is missing or null."""
    value: Any = document
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def rows(document: Mapping[str, Any] | None, key: str) -> Sequence[Mapping[str, Any]]:
    """The list under a key; empty where it is missing or null."""
    found = field(document, key)
    return found if isinstance(found, list) else ()


def total(value: Any) -> float | None:  # noqa: ANN401  a number, {total: number}, or null
    """A figure that stands alone or as the `total` of its parts."""
    number: float | None = field(value, "total") if isinstance(value, Mapping) else value
    return number


def compared(documents: TargetDocuments) -> tuple[Compared, ...]:
    """Every figure that has a prediction or a measurement."""
    paths = (
        ("Arena", "B", ("arena_bytes",)),
        ("Data", "B", ("ram_bytes", "data")),
        ("Other zeroed data", "B", ("ram_bytes", "bss")),
        ("Stack bound", "B", ("ram_bytes", "stack")),
        ("RAM", "B", ("ram_bytes", "total")),
        ("Code", "B", ("flash_bytes", "code")),
        ("Weights", "B", ("flash_bytes", "weights")),
        ("Flash", "B", ("flash_bytes", "total")),
        ("Instructions", "", ("instructions",)),
        ("Cycles", "", ("cycles",)),
        ("Latency", "s", ("latency_s",)),
    )
    found = (
        Compared(
            label=label,
            unit=unit,
            predicted=field(documents.plan, *path),
            measured=field(documents.measured, *path),
        )
        for label, unit, path in paths
    )
    return tuple(one for one in found if one.best is not None)


def figure(documents: TargetDocuments, label: str) -> float | None:
    """The best known value of one of `compared`'s labels."""
    return next((one.best for one in compared(documents) if one.label == label), None)


def candidates(plan: Mapping[str, Any] | None) -> tuple[Candidate, ...]:
    """Every candidate; where plan.json lists none, the one that was built."""
    listed = rows(plan, "candidates")
    if not listed and field(plan, "candidate"):
        own = {"name": field(plan, "candidate"), "accuracy": field(plan, "accuracy")}
        listed = [own]
    return tuple(
        Candidate(
            name=str(row["name"]),
            model_bytes=row.get("model_bytes"),
            accuracy=_accuracy(row.get("accuracy")),
            signal_to_noise_db=field(row, "fidelity", "signal_to_noise_db"),
            is_exact=(
                field(row, "fidelity") is not None
                and field(row, "fidelity", "signal_to_noise_db") is None
            ),
            fidelity_inputs=field(row, "fidelity", "inputs"),
            n_inferences=field(row, "fidelity", "n_inferences"),
            status=str(row.get("status") or "considered"),
            reason=str(row.get("reason") or ""),
        )
        for row in listed
    )


def _accuracy(row: Mapping[str, Any] | None) -> Accuracy | None:
    if field(row, "value") is None:
        return None
    low, high = field(row, "interval") or (None, None)
    return Accuracy(
        metric=str(field(row, "metric") or "accuracy"),
        value=field(row, "value"),
        low=low,
        high=high,
        reference=field(row, "reference"),
        drop=field(row, "drop"),
        n_samples=field(row, "n_samples"),
        higher_is_better=field(row, "higher_is_better") is not False,
    )


def choices(documents: TargetDocuments) -> tuple[Choice, ...]:
    """Every choice that was looked at; where plan.json lists none, the one that was built."""
    plan = documents.plan
    known = {one.name: one for one in candidates(plan)}
    listed = rows(plan, "choices")
    if not listed and plan is not None:
        listed = [
            {
                "candidate": field(plan, "candidate"),
                "ram_bytes": figure(documents, "RAM"),
                "arena_bytes": figure(documents, "Arena"),
                "flash_bytes": figure(documents, "Flash"),
                "instructions": figure(documents, "Instructions"),
                "latency_s": figure(documents, "Latency"),
                "fits": field(plan, "fits"),
                "chosen": True,
            }
        ]
    return tuple(_choice(row, known) for row in listed)


def _choice(row: Mapping[str, Any], known: Mapping[str, Candidate]) -> Choice:
    name = str(row.get("candidate") or "")
    candidate = known.get(name)
    accuracy = row.get("accuracy")
    if isinstance(accuracy, Mapping):
        accuracy = accuracy.get("value")
    if accuracy is None and candidate is not None and candidate.accuracy is not None:
        accuracy = candidate.accuracy.value
    values = {metric.key: total(row.get(metric.key)) for metric in METRICS}
    values["accuracy"] = accuracy
    values["signal_to_noise_db"] = None if candidate is None else candidate.signal_to_noise_db
    if candidate is not None and candidate.is_exact:
        values["signal_to_noise_db"] = math.inf
    return Choice(
        candidate=name,
        strategy=_words(row.get("strategy")),
        values=values,
        fits=row.get("fits"),
        failed=tuple(_predicate(one) for one in row.get("failed") or ()),
        chosen=bool(row.get("chosen")),
    )


def _words(strategy: Any) -> str:  # noqa: ANN401  a text or the strategy's fields
    if isinstance(strategy, Mapping):
        return ", ".join(
            key if value is True else f"{key} {value}"
            for key, value in sorted(strategy.items())
            if value not in {False, None}
        )
    return str(strategy or "")


def _predicate(row: Any) -> str:  # noqa: ANN401  a text or its parts
    if not isinstance(row, Mapping):
        return str(row)
    if row.get("text"):
        return str(row["text"])
    unit = _UNITS.get(str(row.get("unit") or ""), str(row.get("unit") or ""))
    value, limit = (exact(row.get(key), unit) for key in ("value", "limit"))
    return f"{row.get('what')}: {value} against {limit}"


def metrics(found: Sequence[Choice], plan: Mapping[str, Any] | None) -> tuple[Metric, ...]:
    """What at least one choice has a value for, named as the metric is."""
    accuracy = next((c.accuracy for c in candidates(plan) if c.accuracy is not None), None)
    listed = []
    for metric in METRICS:
        values = (choice.values.get(metric.key) for choice in found)
        if all(value is None or math.isinf(value) for value in values):
            continue
        if metric.key == "accuracy" and accuracy is not None:
            listed.append(
                Metric(
                    key=metric.key,
                    label=f"Accuracy ({accuracy.metric})",
                    unit=metric.unit,
                    higher_is_better=accuracy.higher_is_better,
                )
            )
        else:
            listed.append(metric)
    return tuple(listed)


def blocks(plan: Mapping[str, Any] | None) -> tuple[Block, ...]:
    """What lies in the arena."""
    return tuple(
        Block(
            name=str(row.get("name") or ""),
            kind=str(row.get("kind") or "tensor"),
            shape=None if row.get("shape") is None else tuple(row["shape"]),
            dtype=str(row.get("dtype") or ""),
            offset=row["offset"],
            size_bytes=row["size_bytes"],
            first_use=row["first_use"],
            last_use=row["last_use"],
        )
        for row in rows(plan, "memory")
        if row.get("offset") is not None and row.get("size_bytes")
    )


def layers(plan: Mapping[str, Any] | None) -> tuple[Layer, ...]:
    """Every kernel call, in order."""
    return tuple(
        Layer(
            number=number,
            op=str(row.get("op") or ""),
            tensor=str(row.get("tensor") or ""),
            variant=str(row.get("variant") or ""),
            macs=row.get("macs"),
            instructions=row.get("instructions"),
            cycles=row.get("cycles"),
            weight_bytes=row.get("weight_bytes"),
        )
        for number, row in enumerate(rows(plan, "ops"))
    )


def rewrites(plan: Mapping[str, Any] | None) -> tuple[Rewrite, ...]:
    """What was applied at least once."""
    return tuple(
        Rewrite(
            name=str(row.get("name") or ""),
            applied=row.get("applied", row.get("n_applied")),
            macs_saved=row.get("macs_saved"),
            weight_bytes_saved=row.get("weight_bytes_saved"),
            ops_saved=row.get("ops_saved"),
        )
        for row in rows(plan, "rewrites")
        if row.get("applied", row.get("n_applied")) != 0
    )
