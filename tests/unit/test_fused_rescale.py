"""One multiply-add in float32 that gives the reference's outputs, for every sum or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anvil.plan.layouts.fused_rescale import (
    MAGIC,
    FusedRescale,
    Reference,
    fused_rescale,
    lifted_of,
    outputs_of,
)
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import SumRange, rounded_once, rounded_twice

_N = 16
_REACH = 34_000


def _twice(zero_point: int, least: int, seed: int) -> Reference:
    rng = np.random.default_rng(seed)
    multiplier = rng.integers(2**30, 2**31 - 1, _N).astype(np.int32)
    shift = rng.integers(-6, -3, _N).astype(np.int32)
    return Reference(
        staircase=rounded_twice(multiplier, shift, zero_point, least, 127),
        sums=SumRange(low=np.full(_N, -_REACH), high=np.full(_N, _REACH + 1)),
        scales=np.ldexp(multiplier.astype(np.float64), shift - 31),
        most=1.25,
        zero_point=zero_point,
        least=least,
        greatest=127,
        is_symmetric=least < zero_point,
    )


def _once(zero_point: int, seed: int) -> Reference:
    scales = np.random.default_rng(seed).uniform(2**-7, 2**-4, _N)
    return replace(
        _twice(zero_point, -128, seed),
        staircase=rounded_once(scales, zero_point, -128, 127),
        scales=scales,
        most=0.5,
        is_symmetric=False,
    )


def _by_float32(form: FusedRescale, sums: np.ndarray, reference: Reference) -> np.ndarray:
    """What the processor does, of which only the addition rounds."""
    values = np.abs(sums) if reference.is_symmetric else sums
    lifted = (values + form.lifted[:, None]).astype(np.float32)
    added = MAGIC - form.whole + (0 if reference.is_symmetric else reference.zero_point)
    products = lifted.astype(np.longdouble) * form.scale.astype(np.longdouble)[:, None]
    fused = (products + added.astype(np.longdouble)[:, None]).astype(np.float32)
    units = fused.view(np.int32).astype(np.int64) - np.float32(MAGIC).view(np.int32)
    if reference.is_symmetric:
        units = units * np.sign(sums) + reference.zero_point
    outputs: np.ndarray = np.clip(units, reference.least, reference.greatest)
    return outputs


@pytest.mark.parametrize(
    "reference",
    [
        _twice(-128, -128, 1),
        _twice(3, 3, 2),
        _twice(-7, -128, 3),
        _twice(127, -20, 4),
        _once(-128, 5),
        _once(11, 6),
    ],
    ids=("relu", "relu above", "symmetric", "one-sided", "once", "once signed"),
)
def test_every_sum_gives_the_reference_s_output(reference: Reference) -> None:
    form = fused_rescale(reference)
    sums = np.arange(-_REACH, _REACH + 2, dtype=np.int64)[None, :]
    expected = reference.staircase(np.broadcast_to(sums, (_N, sums.size)))
    np.testing.assert_array_equal(outputs_of(form, sums, reference), expected)
    np.testing.assert_array_equal(_by_float32(form, sums, reference), expected)
    np.testing.assert_array_equal(lifted_of(form.scale, form.whole, reference.most), form.lifted)


def test_another_scale_or_fraction_is_wrong() -> None:
    reference = _twice(-128, -128, 1)
    form = fused_rescale(reference)
    sums = np.arange(-_REACH, _REACH + 2, dtype=np.int64)[None, :]
    expected = reference.staircase(np.broadcast_to(sums, (_N, sums.size)))
    for other in (
        replace(form, scale=(form.scale.view(np.int32) + 64).view(np.float32)),
        replace(form, lifted=form.lifted + 1),
    ):
        assert (outputs_of(other, sums, reference) != expected).any(axis=1).all()


def test_ties_are_no_outputs() -> None:
    form = FusedRescale(
        scale=np.array([0.5], np.float32), whole=np.array([0]), lifted=np.array([0])
    )
    outputs = outputs_of(form, np.array([[2, 3, 4]]), _twice(-128, -128, 1))
    assert outputs[0, 0] == 1 - 128
    assert outputs[0, 1] > 127
    assert outputs[0, 2] == 2 - 128


def test_what_float32_does_not_hold_is_refused() -> None:
    reference = _twice(-128, -128, 1)
    wide = SumRange(low=np.full(_N, -(2**24)), high=np.full(_N, 2**24 + 1))
    with pytest.raises(NotPackable, match=r"sums exceed 2\^24"):
        fused_rescale(replace(reference, sums=wide))


def test_a_scale_may_be_too_small_to_matter() -> None:
    reference = replace(
        _twice(-7, -128, 3),
        staircase=lambda sums: np.full_like(sums, -7),
        scales=np.array([0.0, 1e-300, 2.0**-60, 1e-12] * (_N // 4)),
    )
    form = fused_rescale(reference)
    sums = np.array([[-_REACH, -1, 0, 1, _REACH]])
    assert (outputs_of(form, sums, reference) == -7).all()


def test_a_channel_without_any_scale_is_named() -> None:
    reference = _twice(-128, -128, 1)

    def other(sums: np.ndarray) -> np.ndarray:
        outputs = reference.staircase(sums)
        outputs[9] = np.where(sums[9] < 500, -128, 127)
        return outputs

    with pytest.raises(NotPackable, match="channel 9"):
        fused_rescale(replace(reference, staircase=other))
