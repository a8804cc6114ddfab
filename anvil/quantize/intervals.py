"""95 % confidence intervals: how far a metric may lie from what more data would give.

Every one of them is deterministic: the bootstrap draws from a generator with a fixed seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]
Interval = tuple[float, float]

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile
_SEED = 20_260_731
_N_RESAMPLES = 2_000
# Above it a mean is normal to more digits than anyone reads, and resampling takes seconds.
_NORMAL_FROM = 5_000
# A user's function is called once for each: it may be slow.
N_CALLS = 200


def wilson(n_hits: int, n_samples: int) -> Interval:
    """For a share, after Wilson (1927): unlike the usual one it holds near 0 and 1, too.

    >>> tuple(round(end, 4) for end in wilson(41, 45))
    (0.7927, 0.9649)
    """
    share = n_hits / n_samples
    z2 = _Z * _Z / n_samples
    centre = (share + z2 / 2) / (1 + z2)
    half = _Z / (1 + z2) * math.sqrt(share * (1 - share) / n_samples + z2 / (4 * n_samples))
    # The ends are 0 and 1 exactly there, but for rounding.
    low = 0.0 if n_hits == 0 else centre - half
    high = 1.0 if n_hits == n_samples else centre + half
    return low, high


def area_under_curve(scores: Array, positive: Array) -> tuple[float, Interval]:
    """The area under the ROC curve and its interval; scores N, `positive` N of booleans.

    The area is the share of (positive, negative) pairs that the scores put in order, ties
    counting half. Its variance is DeLong's (1988), computed from mid-ranks (Sun and Xu,
    2014), and the interval is taken on the logit's scale, so that it stays within 0 and 1.
    Where the classes are fully apart that variance is 0, which says nothing of the next
    sample: the interval is then that of as many hits as the smaller class has samples.
    """
    ones, zeros = scores[positive], scores[~positive]
    n_ones, n_zeros = len(ones), len(zeros)
    everywhere = _mid_ranks(np.concatenate([ones, zeros]))
    among_ones, among_zeros = _mid_ranks(ones), _mid_ranks(zeros)
    area = float((everywhere[:n_ones].sum() - n_ones * (n_ones + 1) / 2) / (n_ones * n_zeros))
    if area in {0.0, 1.0}:
        n = min(n_ones, n_zeros)
        return area, wilson(n if area else 0, n)
    of_ones = (everywhere[:n_ones] - among_ones) / n_zeros
    of_zeros = 1 - (everywhere[n_ones:] - among_zeros) / n_ones
    variance = _mean_variance(of_ones) + _mean_variance(of_zeros)
    half = _Z * math.sqrt(variance) / (area * (1 - area))
    logit = math.log(area / (1 - area))
    return area, (_expit(logit - half), _expit(logit + half))


def _expit(value: float) -> float:
    return 0.5 * (1 + math.tanh(value / 2))  # never overflows


def _mean_variance(parts: Array) -> float:
    """The variance of a mean; a class of one sample says nothing of it: the largest there is."""
    return 0.25 if len(parts) == 1 else float(parts.var(ddof=1) / len(parts))


def _mid_ranks(values: Array) -> Array:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def mean(values: Array) -> tuple[float, Interval]:
    """The mean of N values, at least 2, and its interval: the percentile bootstrap's.

    From 5,000 values on it is the normal distribution's.
    """
    values = np.asarray(values, np.float64)
    centre = float(values.mean())
    n = len(values)
    if n >= _NORMAL_FROM:
        half = _Z * float(values.std(ddof=1)) / math.sqrt(n)
        return centre, (centre - half, centre + half)
    generator = np.random.Generator(np.random.PCG64(_SEED))
    # Some resamples at a time: one is slow where there are few values, all are large.
    rows = min(_N_RESAMPLES, max(1, (1 << 18) // n))
    means = np.concatenate(
        [
            values[generator.integers(0, n, (min(rows, _N_RESAMPLES - start), n))].mean(axis=1)
            for start in range(0, _N_RESAMPLES, rows)
        ]
    )
    return centre, _percentiles(means)


def resampled(evaluate: Callable[[Array], float | None], n_samples: int) -> Interval | None:
    """The percentile bootstrap's interval of any function of the samples.

    `evaluate` gets N indices and gives the function's value for these samples, or None where
    it has none, such as for one class alone. None where that is so for more than half.
    """
    generator = np.random.Generator(np.random.PCG64(_SEED))
    drawn = [evaluate(generator.integers(0, n_samples, n_samples)) for _ in range(N_CALLS)]
    found = [value for value in drawn if value is not None]
    return _percentiles(found) if 2 * len(found) > N_CALLS else None


def _percentiles(values: list[float] | Array) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
