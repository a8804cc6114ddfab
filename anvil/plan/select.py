"""Which kernel variants can run a call, and why the others cannot.

Nothing is chosen before: plan/weigh.py takes one of what is left here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Rejection
from anvil.plan.expressions import evaluate
from anvil.plan.layouts.packing import NotPackable, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.plan import KernelCall, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to run a call."""

    variant: Variant
    call: KernelCall  # as the variant takes it
    scratch_bytes: int
    is_specialised: bool = False  # compiled once more for this call, with its parameters known


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasible:
    """What can run a call, in the order of kernels.yaml, one or more; and what cannot."""

    options: tuple[Option, ...]
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What runs a call, and why nothing else does."""

    option: Option
    rejected: tuple[Rejection, ...]


def feasible(
    call: KernelCall, op_index: int, variants: Sequence[Variant], features: frozenset[str]
) -> Feasible | str:
    """The variants whose conditions hold, with the call as each takes it.

    Returns a sentence where none fits, and ValueError where an expression is wrong.
    """
    options: list[Option] = []
    rejected: list[Rejection] = []
    for variant in variants:
        if (variant.op, variant.dtype) != (call.op, call.dtype):
            continue
        found = _option(call, variant, features)
        if isinstance(found, Option):
            options.append(found)
        else:
            rejected.append(Rejection(op_index=op_index, choice=variant.symbol, reason=found))
    if options:
        return Feasible(options=tuple(options), rejected=tuple(rejected))
    reasons = "; ".join(f"{r.choice}: {r.reason}" for r in rejected)
    return f"no kernel for {call.op} {call.dtype}" + (f" ({reasons})" if reasons else "")


def _option(call: KernelCall, variant: Variant, features: frozenset[str]) -> Option | str:
    """The call as `variant` runs it, or why it cannot."""
    missing = [feature for feature in variant.requires if feature not in features]
    if missing:
        return f"the core lacks {', '.join(missing)}"
    if variant.when and not evaluate(variant.when, dict(call.parameters)):
        return f"not {variant.when}{_values(variant.when, call)}"
    try:
        return Option(
            variant=variant,
            call=packed(variant, call),
            scratch_bytes=_scratch_bytes(variant, call),
        )
    except NotPackable as refusal:
        return str(refusal)


def _values(expression: str, call: KernelCall) -> str:
    """The parameters that an expression names, with the values of this call."""
    words = set(re.findall(r"[A-Za-z_]\w*", expression))
    known = [f"{name} = {value}" for name, value in call.parameters if name in words]
    return f", where {', '.join(known)}" if known else ""


def _scratch_bytes(variant: Variant, call: KernelCall) -> int:
    value = evaluate(variant.scratch_bytes, dict(call.parameters))
    if isinstance(value, bool) or value < 0 or value % 1:  # infinity and NaN have a rest, too
        msg = f"{variant.symbol}: scratch_bytes {variant.scratch_bytes!r} is {value}, no size"
        raise ValueError(msg)
    return int(value)
