"""Metrics: what one number says of a model's outputs on labelled samples.

    measured("top1", Samples(outputs=(scores,), inputs=(images,), labels=labels))

All values are real: quantized outputs are dequantized before. A function of the user's runs
in a process of its own (anvil/verify/metric_worker.py), and what it gave is judged here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.candidate import AUC, MSE, OWN_METRICS, TOP1
from anvil.quantize.intervals import area_under_curve, mean, wilson

if TYPE_CHECKING:
    from anvil.quantize.intervals import Interval

Array = npt.NDArray[Any]

_MIN_SAMPLES = 2  # of a mean with an interval


class MetricError(ValueError):
    """A metric that these outputs and labels do not have; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """What a model gave: arrays of N x the shape of one sample, in the model's order."""

    outputs: tuple[Array, ...]
    inputs: tuple[Array, ...]
    labels: Array | None

    @property
    def n_samples(self) -> int:
        """How many there are."""
        return len(self.outputs[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric's value with its 95 % confidence interval."""

    value: float
    interval: Interval
    higher_is_better: bool


def is_own(metric: str) -> bool:
    """Whether a metric is Anvil's and not a user's module:function."""
    return metric in OWN_METRICS


def measured(metric: str, samples: Samples) -> Measured:
    """One of Anvil's own metrics. Raises MetricError.

    top1: the share of samples whose largest output has the label's number; an output of
    integers is the number itself. Labels are numbers from 0, or one-hot rows. Interval:
    Wilson's. auc: the area under the ROC curve of the single output, or of the second of two,
    for labels 0 and 1; auc:reconstruction takes each sample's mean squared difference of
    output and input. Interval: DeLong's. mse: the mean over all samples of the mean squared
    difference to the labels, or to the input where there are none. Interval: bootstrap.
    """
    for output in samples.outputs:
        n_bad = int(np.count_nonzero(~np.isfinite(output)))
        if n_bad:
            raise MetricError(
                f"the model gives NaN or infinite values: {n_bad} of {output.size}",
                "look at the model: its outputs are no numbers there",
            )
    if metric == MSE:
        value, interval = _mean_of(_squared_errors(samples, _targets(samples)))
        return Measured(value=value, interval=interval, higher_is_better=False)
    if metric == TOP1:
        hits = _predicted_classes(samples) == _class_labels(samples)
        n_hits = int(np.count_nonzero(hits))
        interval = wilson(n_hits, len(hits))
        return Measured(value=n_hits / len(hits), interval=interval, higher_is_better=True)
    if metric == AUC:
        scores = _scores(samples)
    else:
        scores = _squared_errors(samples, _inputs_as_targets(samples, metric))
    value, interval = area_under_curve(scores, _binary_labels(samples, metric))
    return Measured(value=value, interval=interval, higher_is_better=True)


def judged(returned: Array, n_samples: int, *, higher_is_better: bool) -> Measured | float:
    """What a user's function returned: one number per sample, or one for all.

    One for all is given back alone: its interval takes calls with resampled samples.
    Raises MetricError.
    """
    hint = "return a number, or an array with one number per sample"
    if returned.dtype.kind not in "iufb" or returned.size == 0:
        raise MetricError(f"it returned values of type {returned.dtype}", hint)
    if not np.isfinite(returned).all():
        n_bad = int(np.count_nonzero(~np.isfinite(returned)))
        found = f"{returned.item()}" if returned.size == 1 else f"{n_bad} NaN or infinite values"
        raise MetricError(f"it returned {found}", hint)
    if returned.ndim == 0:
        return float(returned)
    if returned.shape != (n_samples,):
        found = " x ".join(map(str, returned.shape))
        raise MetricError(f"it returned {found} values for {n_samples} samples", hint)
    value, interval = _mean_of(returned)
    return Measured(value=value, interval=interval, higher_is_better=higher_is_better)


def signal_to_noise_db(reference: tuple[Array, ...], found: tuple[Array, ...]) -> float | None:
    """10 log10 of the outputs' power over the differences' power; None where nothing differs.

    An output that is 0 throughout and should be has no signal: -inf is cut off at -300 dB.
    """
    signal = noise = 0.0
    for expected, values in zip(reference, found, strict=True):
        exact = expected.astype(np.float64)
        signal += float(np.square(exact).sum())
        noise += float(np.square(exact - values.astype(np.float64)).sum())
    if noise == 0:
        return None
    return max(-300.0, 10 * math.log10(signal / noise)) if signal > 0 else -300.0


def _mean_of(values: Array) -> tuple[float, Interval]:
    if len(values) < _MIN_SAMPLES:
        raise MetricError(
            f"the evaluation data holds {len(values)} sample",
            f"a mean with a confidence interval takes at least {_MIN_SAMPLES}",
        )
    return mean(values)


def _single_output(samples: Samples, metric: str) -> Array:
    """N x M."""
    if len(samples.outputs) != 1:
        raise MetricError(
            f"{metric} is of one output, and the model has {len(samples.outputs)}",
            "write a function of your own: `metric: module:function` gets all outputs",
        )
    output = samples.outputs[0]
    return output.reshape(len(output), -1)


def _form(array: Array) -> str:
    shape = " x ".join(map(str, array.shape[1:]))
    return f"{shape} values" if shape else "a single number"


def _needed_labels(samples: Samples, metric: str, what: str) -> Array:
    if samples.labels is None:
        raise MetricError(
            f"{metric} compares with labels, and the evaluation data has none",
            f"give {what}: key y of an .npz file, the column y of a .csv file, or one sub-folder "
            "per class",
        )
    labels = samples.labels
    # N x 1 is what many tools save.
    return labels.reshape(len(labels)) if labels.size == len(labels) else labels


def _predicted_classes(samples: Samples) -> Array:
    output = _single_output(samples, TOP1)
    if output.shape[1] == 1:
        if output.dtype.kind in "iu":
            classes: Array = output[:, 0]
            return classes
        raise MetricError(
            "top1 takes the largest of several outputs, and the model gives a single number",
            "use `metric: auc` for a score, `metric: mse` for a quantity",
        )
    if max(samples.outputs[0].shape[1:]) != output.shape[1]:
        raise MetricError(
            f"top1 takes one score per class, and the model gives {_form(samples.outputs[0])}",
            "write a function of your own: `metric: module:function`",
        )
    largest: Array = output.argmax(axis=1)
    return largest


def _class_labels(samples: Samples) -> Array:
    labels = _needed_labels(samples, TOP1, "the number of each sample's class, from 0")
    output = samples.outputs[0]
    n_classes = output[0].size
    if labels.ndim == 2 and labels.shape[1] == n_classes and _is_one_hot(labels):
        numbers: Array = labels.argmax(axis=1)
        return numbers
    hint = "labels are the numbers of classes, counted from 0 in the order of the model's outputs"
    if labels.ndim != 1:
        message = f"top1 takes one label per sample, and the labels are {_form(labels)} each"
        raise MetricError(message, hint)
    if not np.array_equal(labels, np.trunc(labels)):
        raise MetricError("top1 takes whole numbers as labels, and these have fractions", hint)
    if n_classes > 1 and not (labels.min() >= 0 and labels.max() < n_classes):
        raise MetricError(
            f"the labels go from {labels.min():g} to {labels.max():g}, and the model has "
            f"{n_classes} classes, 0 to {n_classes - 1}",
            hint,
        )
    return labels


def _is_one_hot(labels: Array) -> bool:
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _scores(samples: Samples) -> Array:
    output = _single_output(samples, AUC)
    if output.shape[1] > 2:
        raise MetricError(
            f"auc takes one score, or two classes, and the model gives {_form(samples.outputs[0])}",
            "use `metric: top1` for several classes, `metric: auc:reconstruction` for an "
            "autoencoder",
        )
    return output[:, -1]


def _binary_labels(samples: Samples, metric: str) -> Array:
    labels = _needed_labels(samples, metric, "0 or 1 for each sample")
    hint = "1 is what a high score means: the event, the anomaly"
    if labels.ndim == 2 and labels.shape[1] == 2 and _is_one_hot(labels):
        labels = labels[:, 1]
    if labels.ndim != 1:
        message = f"{metric} takes one label per sample, and the labels are {_form(labels)} each"
        raise MetricError(message, hint)
    found = np.unique(labels)
    if not set(found.tolist()) <= {0, 1}:
        shown = ", ".join(f"{value:g}" for value in found[:5])
        more = ", ..." if len(found) > 5 else ""
        raise MetricError(f"{metric} takes the labels 0 and 1, and these are {shown}{more}", hint)
    if len(found) < 2:
        raise MetricError(
            f"{metric} compares two classes, and every label is {found[0]:g}",
            "evaluation data holds samples of both",
        )
    positive: Array = labels == 1
    return positive


def _targets(samples: Samples) -> Array:
    if samples.labels is None:
        return _inputs_as_targets(samples, MSE)
    output = _single_output(samples, MSE)
    if samples.labels.size != output.size:
        raise MetricError(
            f"mse compares the model's {_form(samples.outputs[0])} with y, which is "
            f"{_form(samples.labels)} for each sample",
            "give y in the shape of the output, or none for an autoencoder, which is compared with "
            "its input; a classifier has `metric: top1`",
        )
    return samples.labels.reshape(output.shape)


def _inputs_as_targets(samples: Samples, metric: str) -> Array:
    output = _single_output(samples, metric)
    if len(samples.inputs) != 1 or samples.inputs[0].size != output.size:
        found = " and ".join(_form(array) for array in samples.inputs)
        raise MetricError(
            f"{metric} compares the output with the input, and these are "
            f"{_form(samples.outputs[0])} and {found}",
            "only an autoencoder gives what it takes; for others give the expected output as y "
            "and use `metric: mse`",
        )
    return samples.inputs[0].reshape(output.shape)


def _squared_errors(samples: Samples, targets: Array) -> Array:
    """N: each sample's mean squared difference, in double precision."""
    output = _single_output(samples, MSE)
    # A sample at a time would be slow, all at once four times the data.
    block = max(1, (1 << 20) // output.shape[1])
    parts = [
        np.square(
            output[start : start + block].astype(np.float64) - targets[start : start + block]
        ).mean(axis=1)
        for start in range(0, len(output), block)
    ]
    errors: Array = np.concatenate(parts)
    return errors
