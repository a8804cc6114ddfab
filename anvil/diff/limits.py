"""`--fail-on`: how much worse a quantity may become before a diff fails."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, Severity
from anvil.core.units import parse_bytes, parse_seconds
from anvil.diff.compare import REMOVED
from anvil.diff.quantities import BY_KEY, Quantity, shown, shown_change, shown_share
from anvil.diff.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anvil.diff.compare import Figure, TargetChange

_EXAMPLES = "such as flash>1%, `ram>2 KiB`, `latency>0.5 ms` or accuracy>0.005"
_FORM = re.compile(r"\s*([a-z_]+)\s*>\s*(.+?)\s*", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much worse a quantity may become: in its unit, or as a share of the base."""

    text: str
    quantity: Quantity
    amount: float
    is_share: bool


def parse_limits(words: Iterable[str]) -> tuple[Limit, ...]:
    """The limits of the command line. Raises AnvilError (exit 2) with all that are wrong.

    >>> limit, = parse_limits(["flash>1%"])
    >>> limit.quantity.key, limit.amount, limit.is_share
    ('flash', 0.01, True)
    """
    limits, diagnostics = [], []
    for word in words:
        try:
            limits.append(_parse(word))
        except ValueError as error:
            diagnostics.append(
                Diagnostic(
                    code="diff.limit",
                    message=f"--fail-on {word[:60]!r}: {error}",
                    hint=f"NAME>AMOUNT, {_EXAMPLES}",
                )
            )
    if diagnostics:
        raise AnvilError(*diagnostics)
    return tuple(limits)


def _parse(word: str) -> Limit:
    found = _FORM.fullmatch(word)
    if found is None:
        raise ValueError("it is not a quantity, the sign > and an amount")
    name, amount = found[1], found[2]
    if name not in BY_KEY:
        near = difflib.get_close_matches(name, BY_KEY, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(BY_KEY)}"
        raise ValueError(f"there is no quantity {name!r}; {hint}")
    quantity = BY_KEY[name]
    if amount.endswith("%"):
        return Limit(text=word, quantity=quantity, amount=_number(amount[:-1]) / 100, is_share=True)
    # A zero is the same in every unit.
    if quantity.unit == "B" and amount != "0":
        value: float = parse_bytes(amount)
    elif quantity.unit == "s" and amount != "0":
        value = parse_seconds(amount)
    else:
        value = _number(amount.removesuffix("dB") if quantity.unit == "dB" else amount)
    return Limit(text=word, quantity=quantity, amount=value, is_share=False)


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(f"{text.strip()!r} is no number")
    return float(text)


def exceeded(changes: Sequence[TargetChange], limits: Sequence[Limit]) -> tuple[Diagnostic, ...]:
    """An error for each limit that a target breaks, a warning where nobody can tell."""
    found = []
    for change in changes:
        # What is new has nothing to be worse than.
        if change.status == REMOVED or not any(one.base is not None for one in change.figures):
            continue
        for limit in limits:
            figure = change.figure(limit.quantity.key)
            if figure is None or figure.change is None:
                found.append(_untold(change, limit))
            elif _is_worse(figure, limit):
                found.append(_error(change, limit, figure))
    return tuple(found)


def _is_worse(figure: Figure, limit: Limit) -> bool:
    if not limit.is_share:
        return figure.loss > limit.amount
    share = figure.share
    # From nothing to something is more than any share.
    relative = math.inf if share is None else abs(share)
    return figure.loss > 0 and relative > limit.amount


def _error(change: TargetChange, limit: Limit, figure: Figure) -> Diagnostic:
    unit = limit.quantity.unit
    allowed = shown_share(limit.amount) if limit.is_share else shown(limit.amount, unit)
    share = shown_share(figure.share)
    by = shown_change(figure.change or 0, unit) + (f", {share}" if share else "")
    return Diagnostic(
        code="diff.worse",
        message=f"{clean(change.label)}: {limit.quantity.label.lower()} went from "
        f"{shown(figure.base, unit)} to {shown(figure.head, unit)} ({by}), "
        f"and {limit.text} allows {allowed.lstrip('+')}",
        hint="make it smaller again, or allow more with --fail-on",
    )


def _untold(change: TargetChange, limit: Limit) -> Diagnostic:
    return Diagnostic(
        code="diff.unknown",
        severity=Severity.WARNING,
        message=f"{clean(change.label)}: {limit.text} cannot be checked, since "
        f"{limit.quantity.label.lower()} is not known on both sides",
    )
