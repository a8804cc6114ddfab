"""A saved measurement, read with suspicion, and what changed since."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.bench.measurement import METRICS, Figures
from anvil.core.diagnostics import AnvilError, Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.bench.measurement import Layer, Measurement

_FORMAT = 1
_HINT = "save one with `anvil bench --save FILE`"
# A layer that takes less of the whole than this is too short to be timed twice alike.
_LEAST_TIMED_SHARE = 0.02
_LONGEST_NAME = 100
_LARGEST = 2**53  # beyond it a float is no longer exact


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerLayer:
    """A layer of the baseline."""

    key: tuple[int, str, int]  # operator's index, its kind, and its number among the calls of that
    variant: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """One target of the baseline."""

    target: str
    model_sha256: str
    machine: str | None
    layers: tuple[FormerLayer, ...]
    total: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A measurement beside what was."""

    metric: str  # the figure that is compared
    layers: tuple[FormerLayer | None, ...]  # by layer of the measurement; None for a new one
    gone: tuple[FormerLayer, ...]
    total: Figures  # of the baseline

    def share(self, now: Figures, was: Figures | None) -> float | None:
        """The relative change of the compared figure; None where there is none."""
        if was is None:
            return None
        before, after = getattr(was, self.metric), getattr(now, self.metric)
        return after / before - 1 if before and after is not None else None


def parse(content: bytes, file: str) -> dict[str, Former]:
    """The targets of a saved measurement. Raises AnvilError (exit 2)."""
    try:
        document = json.loads(content.decode())
        if document["command"] != "bench":
            raise _wrong(file, "it is not what `anvil bench` saves")
        if document["format"] != _FORMAT:
            message = f"its format is {document['format']!r}, and this Anvil reads {_FORMAT}"
            raise _wrong(file, message)
        rows = [row for row in document["targets"] if "layers" in row]
        return {str(row["target"]): _former(row) for row in rows}
    except (ValueError, RecursionError) as error:
        raise _wrong(file, f"it cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise _wrong(file, "it is not what `anvil bench` saves") from None


def _former(row: Mapping[str, Any]) -> Former:
    return Former(
        target=_plain(str(row["target"])),
        model_sha256=_plain(str(row["model_sha256"])),
        machine=None if row["machine"] is None else _plain(str(row["machine"])),
        layers=_keyed(
            [
                (int(one["index"]), str(one["op"]), str(one["variant"]), _figures(one))
                for one in row["layers"]
            ]
        ),
        total=_figures(row["total"]),
    )


def _figures(row: Mapping[str, Any]) -> Figures:
    found = {metric: row[metric] for metric in METRICS}
    for metric, value in found.items():
        if value is None:
            continue
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not 0 <= value < _LARGEST:
            msg = f"{metric} is {value!r}"
            raise ValueError(msg)
    return Figures(**found)


def _keyed(rows: Sequence[tuple[int, str, str, Figures]]) -> tuple[FormerLayer, ...]:
    """Layers with their keys: an operator may have several calls, such as one for each band."""
    seen: dict[tuple[int, str], int] = {}
    layers = []
    for index, op, variant, figures in rows:
        number = seen[index, op] = seen.get((index, op), -1) + 1
        layers.append(FormerLayer(key=(index, op, number), variant=variant, figures=figures))
    return tuple(layers)


def check_targets(baseline: Mapping[str, Former], targets: Sequence[str], file: str) -> None:
    """Raises AnvilError (exit 2) with every target that the baseline lacks."""
    known = ", ".join(sorted(baseline)) or "no target"
    missing = [target for target in targets if target not in baseline]
    if missing:
        message = f"it has {known}, and not {', '.join(missing)}"
        raise _wrong(file, message, hint="name its targets with --target, or save a new one")


def changes(
    measurement: Measurement, baseline: Mapping[str, Former], file: str
) -> tuple[Change, tuple[Diagnostic, ...]]:
    """What changed since the target's entry, and warnings.

    Raises AnvilError (exit 2) where the two do not compare.
    """
    former = baseline[measurement.target]
    if former.model_sha256 != measurement.model_sha256:
        message = (
            f"{measurement.target}: it is of another model: SHA-256 "
            f"{former.model_sha256[:12]}, and what is built here has "
            f"{measurement.model_sha256[:12]}"
        )
        raise _wrong(file, message)
    common = [m for m in measurement.total.metrics if m in former.total.metrics]
    if not common:
        message = (
            f"{measurement.target}: it has {_listed(former.total)}, and here there is "
            f"{_listed(measurement.total)}"
        )
        raise _wrong(file, message)
    known_layers = {layer.key: layer for layer in former.layers}
    keyed = _keyed([(one.index, one.op, one.variant, one.figures) for one in measurement.layers])
    keys = {layer.key for layer in keyed}
    change = Change(
        metric=common[0],
        layers=tuple(known_layers.get(layer.key) for layer in keyed),
        gone=tuple(layer for layer in former.layers if layer.key not in keys),
        total=former.total,
    )
    return change, _other_machine(measurement, former, file)


def slower(
    measurement: Measurement, change: Change, *, percent: float, file: str
) -> tuple[Diagnostic, ...]:
    """An error for the whole and for each layer that takes over `percent` more than it did.

    Of times, layers with under a fiftieth of the whole are left out: noise is larger.
    """
    rows: list[tuple[str, float | None]] = [
        ("as a whole", change.share(measurement.total, change.total))
    ]
    rows += [
        (f"layer {layer.index} {layer.op}", _change_of(layer, was, change))
        for layer, was in zip(measurement.layers, change.layers, strict=True)
        if change.metric != "nanoseconds" or measurement.share(layer) >= _LEAST_TIMED_SHARE
    ]
    return tuple(
        Diagnostic(
            code="bench.slower",
            message=f"{measurement.target}: {name} takes {share:.2%} more {change.metric} than in "
            f"{file}, and {percent:g} % is allowed",
            hint="save a new baseline with --save where that is meant",
        )
        for name, share in rows
        if share is not None and share * 100 > percent
    )


def _change_of(layer: Layer, was: FormerLayer | None, change: Change) -> float | None:
    return None if was is None else change.share(layer.figures, was.figures)


def _other_machine(measurement: Measurement, former: Former, file: str) -> tuple[Diagnostic, ...]:
    if measurement.machine == former.machine:
        return ()
    return (
        Diagnostic(
            code="bench.other-machine",
            severity=Severity.WARNING,
            message=f"{measurement.target}: the times of {file} are of {former.machine}, and these "
            f"of {measurement.machine}",
            hint="changes tell of the machines, too",
        ),
    )


def _plain(text: str) -> str:
    """A name from a file, made harmless for a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_NAME])


def _listed(figures: Figures) -> str:
    return " and ".join(figures.metrics) or "no figure"


def _wrong(file: str, message: str, hint: str = _HINT) -> AnvilError:
    return AnvilError(Diagnostic(code="bench.baseline", message=message, file=file, hint=hint))
