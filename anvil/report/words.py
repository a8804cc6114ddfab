"""What was decided and why, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.report.amounts import exact, percent, short
from anvil.report.documents import candidates, choices, field, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.report.documents import TargetDocuments


def verdict(documents: TargetDocuments) -> str:
    """One word or two for the head of a target."""
    if documents.plan is None:
        return "not planned"
    if field(documents.plan, "fits") is False:
        return "does not fit"
    if documents.measured is None:
        return "planned"
    return "built"


def decision(documents: TargetDocuments) -> list[str]:
    """The planner's own sentences, or where it gives none what the documents say."""
    sentences = [str(text) for text in field(documents.plan, "decision", "text") or ()]
    if not sentences and documents.plan is not None:
        sentences = _from_figures(documents)
    return [*documents.problems, *sentences]


def order(documents: TargetDocuments) -> list[str]:
    """What `best` meant, the most important first."""
    return [str(criterion) for criterion in field(documents.plan, "decision", "order") or ()]


def _from_figures(documents: TargetDocuments) -> list[str]:
    plan = documents.plan
    found = [f"The model is built as {field(plan, 'candidate')} for {documents.board}."]
    arena, bound = field(plan, "arena_bytes"), field(plan, "arena_lower_bound_bytes")
    if arena is not None and field(plan, "arena_proved_optimal"):
        found.append(f"Its arena of {exact(arena, 'B')} is proved to be the smallest.")
    elif arena is not None and bound:
        found.append(
            f"Its arena takes {exact(arena, 'B')}, {percent(arena / bound - 1)} above the lower "
            f"bound of {exact(bound, 'B')}."
        )
    for label, limit in (
        ("RAM", documents.ram_limit_bytes),
        ("Flash", documents.flash_limit_bytes),
    ):
        value = figure(documents, label)
        if value is not None and limit:
            found.append(
                f"{label}: {exact(value, 'B')} of the board's {exact(limit, 'B')}, "
                f"{percent(value / limit)}."
            )
    return found


def headline(name: str, targets: Sequence[TargetDocuments]) -> str:
    """The report in a sentence.

    For one target or several, whatever became of them.
    """
    good = [t for t in targets if t.plan is not None and field(t.plan, "fits") is not False]
    if len(targets) == 1 and good:
        beginning = f"{name} fits {targets[0].board}"
    elif len(good) == len(targets):
        beginning = f"{name} fits all {len(targets)} targets"
    else:
        beginning = f"{name} fits {len(good)} of {len(targets)} targets"
    names = list(dict.fromkeys(str(field(t.plan, "candidate")) for t in good))
    sizes = [(size, t.target) for t in good if (size := figure(t, "Arena")) is not None]
    words = [beginning + (f", as {', '.join(names)}" if names else "")]
    if sizes:
        smallest, largest = min(sizes)[0], max(sizes)[0]
        text = short(smallest, "B")
        if short(largest, "B") != text:
            text += f" to {short(largest, 'B')}"
        words.append(f"its arena takes {text}")
    return "; ".join(words) + "."


def accuracy_text(documents: TargetDocuments) -> str:
    """The chosen candidate's accuracy, or how close it is to the float model."""
    listed = candidates(documents.plan)
    chosen = field(documents.plan, "candidate")
    one = next((c for c in listed if c.name == chosen), None)
    if one is not None and one.accuracy is not None:
        text = f"{exact(one.accuracy.value, 'metric')} {one.accuracy.metric}"
        if one.accuracy.drop is not None:
            text += f" (lost: {exact(one.accuracy.drop, 'metric')})"
        return text
    if one is not None and one.is_exact:
        return "as the float model"
    if one is not None and one.signal_to_noise_db is not None:
        return f"{short(one.signal_to_noise_db, 'dB')} signal to noise"
    return exact(None, "")


def rejected(documents: TargetDocuments) -> int:
    """How many choices did not meet what is asked."""
    return sum(choice.fits is False for choice in choices(documents))
