"""Which variants can run a call, and why the others cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anvil.core.plan import KernelCall, Variant
from anvil.plan.expressions import evaluate
from anvil.plan.select import Feasible, feasible

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


def found(call: KernelCall, *features: str) -> Feasible:
    one = feasible(call, 7, [_FAST, _SCALAR], frozenset(features))
    assert isinstance(one, Feasible)
    return one


def test_all_that_fit_stay_in_the_order_of_kernels_yaml() -> None:
    one = found(_CALL, "dsp", "fpu")
    assert [option.variant for option in one.options] == [_FAST, _SCALAR]
    assert [option.scratch_bytes for option in one.options] == [24, 0]
    assert one.rejected == ()


def test_a_missing_feature_and_a_predicate_are_reasons() -> None:
    (rejection,) = found(_CALL, "dsp").rejected
    assert (rejection.op_index, rejection.choice) == (7, _FAST.symbol)
    assert rejection.reason == "the core lacks fpu"
    odd = found(replace(_CALL, parameters=(("depth", 5), ("units", 2))), "dsp", "fpu")
    assert [option.variant for option in odd.options] == [_SCALAR]
    assert odd.rejected[0].reason == "not depth % 4 == 0, where depth = 5"


def test_other_operators_and_dtypes_are_no_candidates() -> None:
    others = [replace(_SCALAR, op="mul"), replace(_SCALAR, dtype="int16")]
    assert feasible(_CALL, 0, others, frozenset()) == "no kernel for add int8"


def test_where_none_fits_every_reason_is_told() -> None:
    one = feasible(_CALL, 0, [_FAST], frozenset())
    assert one == f"no kernel for add int8 ({_FAST.symbol}: the core lacks dsp, fpu)"


@pytest.mark.parametrize("size", ["-1", "depth / 8", "1e999", "1e999 - 1e999", "depth > 3"])
def test_scratch_that_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(
        ValueError, match=r"anvil_add_int8_direct__scalar: scratch_bytes .* no size"
    ):
        feasible(_CALL, 0, [replace(_SCALAR, scratch_bytes=size)], frozenset())


def test_a_whole_number_of_bytes_may_be_a_quotient() -> None:
    one = feasible(_CALL, 0, [replace(_SCALAR, scratch_bytes="depth / 4")], frozenset())
    assert isinstance(one, Feasible)
    assert one.options[0].scratch_bytes == 3


_TWO = replace(_CALL, parameters=(("depth", 12), ("units", 3)))


def test_an_expression_over_parameters() -> None:
    assert evaluate("4 * depth + min(units, 2)", dict(_TWO.parameters)) == 50
    assert evaluate("depth > 8 and units <= 3", dict(_TWO.parameters)) is True


@pytest.mark.parametrize("wrong", ["depth >", "width", "depth / 0", "'text'", "\0"])
def test_a_wrong_expression_is_a_value_error(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        evaluate(wrong, dict(_TWO.parameters))
