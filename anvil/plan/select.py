"""The one place where a kernel variant is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.plan import Rejection
from anvil.plan.layouts.packing import NotPackable, packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.plan import KernelCall, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The variant for one call, its scratch memory, and what was not taken."""

    variant: Variant
    call: KernelCall  # as the variant takes it
    scratch_bytes: int
    rejected: tuple[Rejection, ...]


def evaluate(expression: str, call: KernelCall) -> int | float | bool:
    """The value of a kernels.yaml expression over the parameters of a call.

    Arithmetic, comparisons and boolean operators; nothing else can be reached. Raises
    ValueError where the expression is wrong.
    """
    import simpleeval  # noqa: PLC0415  only where something has to be planned

    try:
        value = simpleeval.simple_eval(
            expression, names=dict(call.parameters), functions={"min": min, "max": max}
        )
    except (simpleeval.InvalidExpression, SyntaxError, ArithmeticError, TypeError) as error:
        msg = f"{expression!r}: {error}"
        raise ValueError(msg) from error
    if not isinstance(value, bool | int | float):
        msg = f"{expression!r} is {value!r}, not a number"
        raise ValueError(msg)  # noqa: TRY004  one kind of mistake, one exception
    return value


def select(
    call: KernelCall, op_index: int, variants: Sequence[Variant], features: frozenset[str]
) -> Choice | str:
    """The first variant in the order of kernels.yaml whose conditions hold.

    Returns a sentence where none fits, and ValueError where an expression is wrong.
    """
    rejected: list[Rejection] = []
    for variant in variants:
        if (variant.op, variant.dtype) != (call.op, call.dtype):
            continue
        missing = [feature for feature in variant.requires if feature not in features]
        if missing:
            reason = f"the core lacks {', '.join(missing)}"
        elif variant.when and not evaluate(variant.when, call):
            reason = f"not {variant.when}"
        else:
            try:
                return Choice(
                    variant=variant,
                    call=packed(variant, call),
                    scratch_bytes=_scratch_bytes(variant, call),
                    rejected=tuple(rejected),
                )
            except NotPackable as refusal:
                reason = str(refusal)
        rejected.append(Rejection(op_index=op_index, choice=variant.symbol, reason=reason))
    reasons = "; ".join(f"{r.choice}: {r.reason}" for r in rejected)
    return f"no kernel for {call.op} {call.dtype}" + (f" ({reasons})" if reasons else "")


def _scratch_bytes(variant: Variant, call: KernelCall) -> int:
    value = evaluate(variant.scratch_bytes, call)
    if isinstance(value, bool) or value < 0 or value % 1:  # infinity and NaN have a rest, too
        msg = f"{variant.symbol}: scratch_bytes {variant.scratch_bytes!r} is {value}, no size"
        raise ValueError(msg)
    return int(value)
