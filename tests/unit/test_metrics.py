"""Metrics and their intervals, against their definitions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anvil.core.tensor import DType, Quantization, Tensor
from anvil.quantize.intervals import area_under_curve, mean, resampled, wilson
from anvil.quantize.metrics import (
    Measured,
    MetricError,
    Samples,
    judged,
    measured,
    signal_to_noise_db,
)
from anvil.quantize.quantized import as_real, as_taken
from anvil.quantize.random_inputs import random_dataset
from tests.support.data_projects import port
from tests.support.golden import Golden
from tests.support.tflite_builder import activation, one_op_model, run_reference

RNG = np.random.default_rng(5)


def samples(outputs: Any, labels: Any = None, inputs: Any = None) -> Samples:  # noqa: ANN401  arrays
    many = outputs if isinstance(outputs, tuple) else (outputs,)
    return Samples(
        outputs=tuple(np.asarray(output) for output in many),
        inputs=(np.asarray(many[0] if inputs is None else inputs),),
        labels=None if labels is None else np.asarray(labels),
    )


def test_wilson_is_the_root_of_the_score_test() -> None:
    for n, hits in ((1, 0), (1, 1), (45, 41), (1000, 3)):
        low, high = wilson(hits, n)
        assert 0 <= low <= hits / n <= high <= 1
        for end in (low, high):
            if 0 < end < 1:
                score = (hits / n - end) / math.sqrt(end * (1 - end) / n)
                assert abs(score) == pytest.approx(1.959964, abs=1e-5)
    assert wilson(0, 45)[0] == 0
    assert wilson(45, 45)[1] == 1


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=12),
    st.lists(st.integers(-3, 3), min_size=2, max_size=12),
)
def test_auc_counts_pairs_and_its_variance_is_delongs(ones: list[int], zeros: list[int]) -> None:
    scores = np.array([*ones, *zeros], np.float32)
    positive = np.arange(len(scores)) < len(ones)
    area, (low, high) = area_under_curve(scores, positive)
    pairs = np.array([[(a > b) + (a == b) / 2 for b in zeros] for a in ones])
    assert area == pytest.approx(pairs.mean(), abs=1e-12)
    assert 0 <= low <= area <= high <= 1
    if 0 < area < 1:
        variance = pairs.mean(axis=1).var(ddof=1) / len(ones)
        variance += pairs.mean(axis=0).var(ddof=1) / len(zeros)
        half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
        logit = math.log(area / (1 - area))
        assert low == pytest.approx(1 / (1 + math.exp(half - logit)), abs=1e-5)
        assert high == pytest.approx(1 / (1 + math.exp(-half - logit)), abs=1e-5)


def test_classes_that_are_apart_are_not_certain() -> None:
    area, (low, high) = area_under_curve(np.arange(12.0), np.arange(12) >= 8)
    assert (area, high) == (1, 1)
    assert low == wilson(4, 4)[0] > 0.4
    area, (low, high) = area_under_curve(np.arange(12.0), np.arange(12) < 8)
    assert (area, low) == (0, 0)
    assert high == wilson(0, 4)[1]


def test_intervals_cover_what_they_promise() -> None:
    """Of 400 experiments, drawn with a fixed seed, about 95 % cover the truth."""
    rng = np.random.default_rng(11)
    covered = {"mean": 0, "auc": 0, "top1": 0}
    truth = 0.5 * (1 + math.erf(1 / 2))  # P(N(1, 1) > N(0, 1))
    for _ in range(400):
        low, high = mean(rng.normal(3, 2, 40))[1]
        covered["mean"] += low <= 3 <= high
        scores = np.concatenate([rng.normal(1, 1, 30), rng.normal(0, 1, 50)])
        low, high = area_under_curve(scores, np.arange(80) < 30)[1]
        covered["auc"] += low <= truth <= high
        low, high = wilson(int(rng.binomial(45, 0.9)), 45)
        covered["top1"] += low <= 0.9 <= high
    assert all(0.91 * 400 <= n <= 0.99 * 400 for n in covered.values()), covered


def test_the_bootstrap_is_the_same_every_time_and_near_the_normal() -> None:
    values = RNG.exponential(2, 4_999)
    assert mean(values) == mean(values)
    centre, ends = mean(values)
    assert centre == pytest.approx(values.mean())
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert ends == pytest.approx((centre - half, centre + half), rel=1e-2)
    assert mean(np.append(values, centre))[1] == pytest.approx(ends, rel=1e-2)


def test_resampling_any_function() -> None:
    values = RNG.normal(0, 1, 300)
    found = resampled(lambda chosen: float(np.median(values[chosen])), 300)
    assert found is not None
    assert found[0] < np.median(values) < found[1]
    calls = itertools.count()
    assert resampled(lambda _: 1.0 if next(calls) % 4 == 0 else None, 300) is None


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        ([[0.1, 0.9], [0.8, 0.2], [0.5, 0.4]], [1, 1, 0]),
        ([[0.1, 0.9], [0.8, 0.2], [0.5, 0.4]], [[1.0], [1.0], [0.0]]),
        ([[0.1, 0.9], [0.8, 0.2], [0.5, 0.4]], [[0, 1], [0, 1], [1, 0]]),
        (np.array([[[[1, 2]]], [[[2, 1]]], [[[2, 1]]]]), [1, 1, 0]),
        (np.array([[1], [0], [0]], np.int32), [1, 1, 0]),
        (np.array([1, 0, 0], np.int64), [1, 1, 0]),
    ],
)
def test_top1_of_scores_and_of_numbers(outputs: Any, labels: Any) -> None:  # noqa: ANN401  arrays
    found = measured("top1", samples(outputs, labels))
    assert found == Measured(value=2 / 3, interval=wilson(2, 3), higher_is_better=True)


def test_auc_of_a_score_of_two_classes_and_of_a_reconstruction() -> None:
    labels = [0, 1, 1, 0, 1]
    scores = np.array([0.1, 0.8, 0.4, 0.5, 0.9], np.float32)
    one = measured("auc", samples(scores[:, None], labels))
    assert one.value == pytest.approx(5 / 6)
    two = measured("auc", samples(np.stack([1 - scores, scores], axis=1), labels))
    assert two == one
    inputs = np.zeros((5, 2), np.float32)
    assert measured("auc:reconstruction", samples(scores[:, None] * [1, 1], labels, inputs)) == one


def test_mse_to_targets_and_to_inputs() -> None:
    outputs = RNG.normal(0, 1, (7, 3, 2)).astype(np.float32)
    targets = RNG.normal(0, 1, (7, 6))
    expected = np.square(outputs.reshape(7, 6) - targets).mean()
    found = measured("mse", samples(outputs, targets))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.interval[0] < expected < found.interval[1]
    assert not found.higher_is_better
    assert measured("mse", samples(outputs, None, targets)) == found
    assert measured("mse", samples(outputs[:, 0, 0], targets[:, 0])).value == pytest.approx(
        np.square(outputs[:, 0, 0] - targets[:, 0]).mean()
    )


TWO = [[0.1, 0.9], [0.8, 0.2]]
MISMATCHES: dict[str, tuple[str, Samples]] = {
    "top1_regression": ("top1", samples([[0.5], [0.7]], [0, 1])),
    "top1_no_labels": ("top1", samples(TWO)),
    "top1_image": ("top1", samples(np.zeros((2, 4, 4)), [0, 1])),
    "top1_label_range": ("top1", samples(TWO, [0, 2])),
    "top1_label_negative": ("top1", samples(TWO, [-1, 0])),
    "top1_label_fraction": ("top1", samples(TWO, [0.5, 1])),
    "top1_label_shape": ("top1", samples(TWO, [[0, 1, 0], [1, 0, 0]])),
    "top1_label_not_one_hot": ("top1", samples(TWO, [[1, 1], [1, 0]])),
    "top1_two_outputs": ("top1", samples((TWO, TWO), [0, 1])),
    "top1_nan": ("top1", samples([[np.nan, 1], [0, 1]], [0, 1])),
    "auc_one_class": ("auc", samples([[0.5], [0.7]], [1, 1])),
    "auc_other_labels": ("auc", samples([[0.5], [0.7]], [1, 2])),
    "auc_many_labels": ("auc", samples(np.zeros((9, 1)), range(9))),
    "auc_three_classes": ("auc", samples([[0, 1, 0], [1, 0, 0]], [0, 1])),
    "auc_no_labels": ("auc", samples([[0.5], [0.7]])),
    "auc_reconstruction_shape": ("auc:reconstruction", samples(TWO, [0, 1], np.zeros((2, 3)))),
    "auc_reconstruction_one_class": ("auc:reconstruction", samples(TWO, [0, 0])),
    "mse_target_shape": ("mse", samples(TWO, [[1, 2, 3], [1, 2, 3]])),
    "mse_not_an_autoencoder": ("mse", samples(TWO, None, np.zeros((2, 3)))),
    "mse_one_sample": ("mse", samples([[1.0]], [[2.0]])),
}


@pytest.mark.parametrize("case", sorted(MISMATCHES))
def test_a_metric_that_does_not_apply_is_explained(case: str, golden: Golden) -> None:
    metric, given_samples = MISMATCHES[case]
    with pytest.raises(MetricError) as error:
        measured(metric, given_samples)
    golden.check(f"metrics/{case}.txt", f"{error.value}\n     hint: {error.value.hint}\n")


def test_what_a_users_function_may_return() -> None:
    per_sample = judged(np.array([True, False, True]), 3, higher_is_better=False)
    assert isinstance(per_sample, Measured)
    assert per_sample.value == pytest.approx(2 / 3)
    assert not per_sample.higher_is_better
    assert judged(np.array(0.25), 3, higher_is_better=True) == 0.25


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (np.array(np.nan), "it returned nan"),
        (np.array([1, np.inf, 2]), "1 NaN or infinite"),
        (np.array(["a"]), "type <U1"),
        (np.array([]), "type float64"),
        (np.array([1.0, 2.0]), "2 values for 3 samples"),
        (np.ones((3, 2)), "3 x 2 values for 3 samples"),
    ],
)
def test_what_it_may_not_return(returned: Any, said: str) -> None:  # noqa: ANN401  arrays
    with pytest.raises(MetricError, match=said):
        judged(returned, 3, higher_is_better=True)


def test_signal_to_noise() -> None:
    a, b = RNG.normal(0, 1, (4, 5)), RNG.normal(0, 1, (4, 2))
    assert signal_to_noise_db((a, b), (a, b)) is None
    assert signal_to_noise_db((a,), (a * 1.01,)) == pytest.approx(40)
    power = np.square(a).sum() + np.square(b).sum()
    noise = np.square(b * 0.5).sum()
    expected = 10 * math.log10(power / noise)
    assert signal_to_noise_db((a, b), (a, b * 1.5)) == pytest.approx(expected)
    assert signal_to_noise_db((a * 0,), (a,)) == -300


@pytest.mark.parametrize(("dtype", "zero_point"), [(DType.INT8, -7), (DType.INT16, 0)])
def test_inputs_are_quantized_as_tflite_does(dtype: DType, zero_point: int) -> None:
    halves = 0.0235 * (np.arange(-200, 200) + 0.5)
    values = np.concatenate([halves, RNG.normal(0, 2, 400), [1e4, -1e4, 0]]).astype(np.float32)
    real = activation("x", (1, len(values)), dtype=DType.FLOAT32, scale=None)
    quantized = activation("q", real.shape, dtype=dtype, scale=0.0235, zero_point=zero_point)
    model = one_op_model("QUANTIZE", [real], [quantized])
    (expected,) = run_reference(model, [values[None]])
    np.testing.assert_array_equal(as_taken(values, quantized), expected[0])


def test_outputs_are_dequantized_as_tflite_does() -> None:
    quantized = activation("q", (1, 256), scale=0.0235, zero_point=-7)
    values = np.arange(-128, 128, dtype=np.int8)
    real = activation("x", (1, 256), dtype=DType.FLOAT32, scale=None)
    (expected,) = run_reference(one_op_model("DEQUANTIZE", [quantized], [real]), [values[None]])
    np.testing.assert_array_equal(as_real(values, quantized), expected[0])
    assert as_real(values.astype(np.int32), port(1, 256, dtype=DType.INT32)).dtype == np.int32


def test_random_inputs_are_the_same_everywhere_and_fill_the_range() -> None:
    ports = (port(1, 8, 8), port(1, 3, dtype=DType.INT8), port(1, 4, dtype=DType.INT64))
    first, second = random_dataset(ports), random_dataset(ports)
    for one, other in zip(first.inputs, second.inputs, strict=True):
        np.testing.assert_array_equal(one, other)
    real, quantized, whole = first.inputs
    assert [array.shape for array in first.inputs] == [(32, 8, 8), (32, 3), (32, 4)]
    assert real.dtype == quantized.dtype == np.float32
    assert -1 <= real.min() < -0.99
    assert 0.99 < real.max() <= 1
    # port() gives int8 a scale of 0.25 and a zero point of 3.
    assert (-128 - 3) / 4 <= quantized.min() < -30
    assert 28 < quantized.max() <= (127 - 3) / 4
    assert set(whole.ravel().tolist()) == {0, 1}
    assert float(real[0, 0, 0]) == pytest.approx(-0.121398, abs=1e-6)


def test_a_scale_for_each_index_is_no_input_scale() -> None:
    quantization = Quantization(scales=(1.0, 2.0), zero_points=(0, 0), axis=1)
    both = Tensor(name="x", shape=(1, 2), dtype=DType.INT8, quantization=quantization)
    with pytest.raises(ValueError, match="expected one scale, found 2"):
        as_taken(np.zeros((1, 2), np.float32), both)
