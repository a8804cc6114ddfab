"""Expressions over the numbers of a kernel call: conditions of kernels.yaml, terms of cost tables.

Arithmetic, comparisons, boolean operators, min and max; nothing else can be reached. A plan asks
for the same ones of the same call again and again, for each candidate and target, so that what
was parsed and what was found is kept.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping, Sequence

_FUNCTIONS = {"min": min, "max": max}
_MOST_KEPT = 1 << 14  # results; some kilobytes each, with their names


def evaluate(expression: str, names: Mapping[str, float]) -> int | float | bool:
    """The value of an expression.

    Raises ValueError, with the expression, where it is wrong or names what is not there.
    """
    return evaluate_all([expression], names)[0]


def evaluate_all(
    expressions: Sequence[str], names: Mapping[str, float]
) -> list[int | float | bool]:
    """The value of each expression over the same names; raises as evaluate does."""
    known = frozenset(names.items())
    return [_found(expression, known) for expression in expressions]


@functools.lru_cache(maxsize=_MOST_KEPT)
def _found(expression: str, names: frozenset[tuple[str, float]]) -> int | float | bool:
    import simpleeval  # noqa: PLC0415  only where something has to be planned

    evaluator = simpleeval.SimpleEval(names=dict(names), functions=_FUNCTIONS)
    try:
        value = evaluator.eval(expression, previously_parsed=_parsed(expression))
    except (simpleeval.InvalidExpression, SyntaxError, ArithmeticError, TypeError) as error:
        msg = f"{expression!r}: {error}"
        raise ValueError(msg) from error
    if not isinstance(value, bool | int | float):
        msg = f"{expression!r} is {value!r}, not a number"
        raise ValueError(msg)  # noqa: TRY004  one kind of mistake, one exception
    return value


@functools.cache
def _parsed(expression: str) -> ast.AST:
    import simpleeval  # noqa: PLC0415  only where something has to be planned

    parsed: ast.AST = simpleeval.SimpleEval.parse(expression)
    return parsed
