"""What changed from one side to the other, target by target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.diff.quantities import ACCURACY, QUANTITIES, Basis, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.diff.documents import Artifact, Snapshot

# Fields of a snapshot, and whether they are digests.
_FACTS = {"candidate": False, "toolchain": False, "model": True, "decisions": True}
CHANGED, UNCHANGED, ADDED, REMOVED = "changed", "unchanged", "added", "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One quantity on both sides; None is unknown, or that the side is not there."""

    quantity: Quantity
    metric: str  # of an accuracy: one name, or `OLD → NEW`; else empty
    base: float | None
    head: float | None
    base_basis: Basis | None
    head_basis: Basis | None
    is_comparable: bool  # both are known, and of the same metric
    higher_is_better: bool

    @property
    def change(self) -> float | None:
        """What the head has more than the base; None where they cannot be compared."""
        if self.base is None or self.head is None or not self.is_comparable:
            return None
        # Without it 0.3 - 0.1 would be said with 17 digits.
        change = self.head - self.base
        return change if isinstance(change, int) else round(change, 12)

    @property
    def share(self) -> float | None:
        """The change as a share of the base; None where the base is 0 or there is no change."""
        change = self.change
        return None if change is None or not self.base else change / abs(self.base)

    @property
    def is_changed(self) -> bool:
        """Whether the sides differ, a value that became known or unknown included."""
        return (self.base, self.head) != (None, None) and self.change != 0

    @property
    def loss(self) -> float:
        """How much worse the head is, in the quantity's unit; at most 0 where it is not."""
        change = self.change or 0
        return -change if self.higher_is_better else change


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A text that both sides have or lack, such as the candidate."""

    label: str
    base: str | None
    head: str | None
    is_digest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactChange:
    """A file that is not the same on both sides; None where a side has none."""

    path: str
    base: Artifact | None
    head: Artifact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """One target of both sides."""

    key: str  # what the sides were paired by
    label: str
    status: str  # changed, unchanged, added or removed
    figures: tuple[Figure, ...]
    facts: tuple[Fact, ...]
    artifacts: tuple[ArtifactChange, ...]  # those that differ
    n_artifacts: int | None  # of the head; None where no manifest lists them

    def figure(self, key: str) -> Figure | None:
        """A quantity by key; None where neither side knows it."""
        return next((one for one in self.figures if one.quantity.key == key), None)

    def as_json(self) -> dict[str, Any]:
        """The target's entry of `--json`, without its name and status."""
        return {
            "key": self.key,
            "figures": {
                one.quantity.key: {
                    "base": one.base,
                    "head": one.head,
                    "base_basis": one.base_basis,
                    "head_basis": one.head_basis,
                    "change": one.change,
                    "relative_change": one.share,
                    "unit": one.quantity.unit,
                }
                for one in self.figures
            },
            "facts": {one.label.lower(): [one.base, one.head] for one in self.facts},
            "artifacts": [
                {
                    "path": one.path,
                    "base_bytes": None if one.base is None else one.base.size_bytes,
                    "head_bytes": None if one.head is None else one.head.size_bytes,
                }
                for one in self.artifacts
            ],
        }


def compare(base: Mapping[str, Snapshot], head: Mapping[str, Snapshot]) -> tuple[TargetChange, ...]:
    """Every target of either side, in the order of their keys.

    The keys say which belong together. A single target on each side is one pair whatever its
    key, so that two boards or two folders can be compared.
    """
    if len(base) == len(head) == 1:
        ((key, new),) = head.items()
        (old,) = base.values()
        return (_pair(key, _label_of_two(old, new), old, new),)
    labels = _labels({**base, **head})
    return tuple(
        _pair(key, labels[key], base.get(key), head.get(key)) for key in sorted({*base, *head})
    )


def _label_of_two(old: Snapshot, new: Snapshot) -> str:
    if old.project == new.project:
        sides = [old.target, new.target]
    else:
        sides = [f"{one.project} {one.target}" for one in (old, new)]
    return " → ".join(dict.fromkeys(sides))


def _labels(sides: Mapping[str, Snapshot]) -> dict[str, str]:
    """The shortest name that tells a target from the others: target, project and target, key."""

    def unique(names: Sequence[str]) -> bool:
        return len(set(names)) == len(names)

    targets = {key: one.target for key, one in sides.items()}
    if unique(list(targets.values())):
        return targets
    named = {key: f"{one.project} {one.target}" for key, one in sides.items()}
    return named if unique(list(named.values())) else {key: key for key in sides}


def _pair(key: str, label: str, old: Snapshot | None, new: Snapshot | None) -> TargetChange:
    figures = tuple(
        figure for quantity in QUANTITIES if (figure := _figure(quantity, old, new)) is not None
    )
    facts = tuple(
        Fact(label=name.capitalize(), base=before, head=after, is_digest=is_digest)
        for name, is_digest in _FACTS.items()
        for before, after in (_both(old, new, name),)
        if before or after
    )
    artifacts, n_artifacts = _artifacts(old, new)
    is_changed = (
        any(one.is_changed for one in figures)
        or any(one.base != one.head for one in facts)
        or bool(artifacts)
    )
    status = CHANGED if is_changed else UNCHANGED
    if old is None or new is None:
        status = ADDED if old is None else REMOVED
    return TargetChange(
        key=key,
        label=label,
        status=status,
        figures=figures,
        facts=facts,
        artifacts=artifacts,
        n_artifacts=n_artifacts,
    )


def _both(old: Snapshot | None, new: Snapshot | None, name: str) -> tuple[str | None, str | None]:
    before, after = (None if one is None else getattr(one, name) for one in (old, new))
    return before or None, after or None


def _figure(quantity: Quantity, old: Snapshot | None, new: Snapshot | None) -> Figure | None:
    """None where neither side knows it and nobody asks; measured before predicted.

    A prediction is compared with a prediction where both sides have one, since the difference
    between a prediction and a measurement is no change of the project.
    """
    sides = [side for side in (old, new) if side is not None]
    common = next(
        (basis for basis in Basis if all((quantity.key, basis) in one.figures for one in sides)),
        None,
    )

    def take(side: Snapshot | None) -> tuple[float | None, Basis | None]:
        if side is None:
            return None, None
        order = (common,) if common is not None else tuple(Basis)
        found = next((b for b in order if (quantity.key, b) in side.figures), None)
        return (None, None) if found is None else (side.figures[quantity.key, found], found)

    (before, before_basis), (after, after_basis) = take(old), take(new)
    if before is None and after is None and not quantity.is_headline:
        return None
    metrics: list[str] = []
    higher = quantity.higher_is_better
    if quantity.key == ACCURACY:
        metrics = [one.metric for one in sides if one.metric]
        higher = all(one.higher_is_better for one in sides)
    return Figure(
        quantity=quantity,
        metric=" → ".join(dict.fromkeys(metrics)),
        base=before,
        head=after,
        base_basis=before_basis,
        head_basis=after_basis,
        # A share of one metric says nothing of another.
        is_comparable=before is not None and after is not None and len(set(metrics)) <= 1,
        higher_is_better=higher,
    )


def _artifacts(
    old: Snapshot | None, new: Snapshot | None
) -> tuple[tuple[ArtifactChange, ...], int | None]:
    before = None if old is None else old.artifacts
    after = None if new is None else new.artifacts
    n_artifacts = None if after is None else len(after)
    if before is None or after is None:
        return (), n_artifacts
    changes = tuple(
        ArtifactChange(path=path, base=before.get(path), head=after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )
    return changes, n_artifacts
