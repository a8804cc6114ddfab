"""The first variant whose conditions hold, and why the others were not taken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anvil.core.plan import KernelCall, Variant
from anvil.plan.select import Choice, evaluate, select

_CALL = KernelCall(
    op="add",
    dtype="int8",
    parameters=(("depth", 12),),
    inputs=(),
    constants=(),
    outputs=(),
    n_macs=0,
)
_SCALAR = Variant(
    op="add",
    dtype="int8",
    name="direct__scalar",
    symbol="anvil_add_int8_direct__scalar",
    source="add/direct.c",
    headers=(),
    requires=(),
    when="",
    scratch_bytes="0",
)
_FAST = replace(
    _SCALAR,
    symbol="anvil_add_int8_fast__dsp",
    requires=("dsp", "fpu"),
    when="depth % 4 == 0",
    scratch_bytes="2 * depth",
)


def chosen(call: KernelCall, *features: str) -> Choice:
    choice = select(call, 7, [_FAST, _SCALAR], frozenset(features))
    assert isinstance(choice, Choice)
    return choice


def test_the_first_that_fits_is_taken() -> None:
    choice = chosen(_CALL, "dsp", "fpu")
    assert (choice.variant, choice.scratch_bytes, choice.rejected) == (_FAST, 24, ())


def test_a_missing_feature_and_a_predicate_are_reasons() -> None:
    (rejection,) = chosen(_CALL, "dsp").rejected
    assert (rejection.op_index, rejection.choice) == (7, _FAST.symbol)
    assert rejection.reason == "the core lacks fpu"
    odd = chosen(replace(_CALL, parameters=(("depth", 5),)), "dsp", "fpu")
    assert odd.variant is _SCALAR
    assert odd.rejected[0].reason == "not depth % 4 == 0"


def test_other_operators_and_dtypes_are_no_candidates() -> None:
    others = [replace(_SCALAR, op="mul"), replace(_SCALAR, dtype="int16")]
    assert select(_CALL, 0, others, frozenset()) == "no kernel for add int8"


def test_where_none_fits_every_reason_is_told() -> None:
    found = select(_CALL, 0, [_FAST], frozenset())
    assert found == f"no kernel for add int8 ({_FAST.symbol}: the core lacks dsp, fpu)"


@pytest.mark.parametrize("size", ["-1", "depth / 8", "1e999", "1e999 - 1e999", "depth > 3"])
def test_scratch_that_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(
        ValueError, match=r"anvil_add_int8_direct__scalar: scratch_bytes .* no size"
    ):
        select(_CALL, 0, [replace(_SCALAR, scratch_bytes=size)], frozenset())


def test_a_whole_number_of_bytes_may_be_a_quotient() -> None:
    choice = select(_CALL, 0, [replace(_SCALAR, scratch_bytes="depth / 4")], frozenset())
    assert isinstance(choice, Choice)
    assert choice.scratch_bytes == 3


_TWO = replace(_CALL, parameters=(("depth", 12), ("units", 3)))


def test_an_expression_over_parameters() -> None:
    assert evaluate("4 * depth + min(units, 2)", _TWO) == 50
    assert evaluate("depth > 8 and units <= 3", _TWO) is True


@pytest.mark.parametrize("wrong", ["depth >", "width", "depth / 0", "'text'", "\0"])
def test_a_wrong_expression_is_a_value_error(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        evaluate(wrong, _TWO)
