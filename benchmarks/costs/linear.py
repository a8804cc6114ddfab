"""Which features a kernel's cost is fitted over, and the fit: non-negative least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.plan.features import feature_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from anvil.plan.features import Linear

    Array = npt.NDArray[Any]

_WINDOWS = "batches*output_h*output_w"
_ROWS = "batches*rows_inside*output_w"
_TAPS = "batches*rows_inside*columns_inside"
_RUNS = f"({_ROWS} if dilation_w == 1 and n_groups == 1 else {_TAPS})*output_channels"
_RUN = "(filter_w*filter_channels if dilation_w == 1 and n_groups == 1 else filter_channels)"

# By folder under kernels/. What compilers vectorize costs by the vector and by what is left
# over; a feature without influence gets no coefficient.
FEATURES: dict[str, tuple[str, ...]] = {
    "conv_2d": (
        "1",
        "batches*output_h",
        _WINDOWS,
        f"{_WINDOWS}*output_channels",
        _RUNS,
        f"{_TAPS}*filter_channels*output_channels",
        f"{_RUNS}*({_RUN}//16)",
        f"{_RUNS}*({_RUN}%16)",
        f"{_RUNS}*({_RUN}%4)",
        f"{_RUNS}*(1 if {_RUN} >= 16 else 0)",
    ),
    "depthwise_conv_2d": (
        "1",
        "batches*output_h",
        _WINDOWS,
        f"{_WINDOWS}*input_channels*depth_multiplier",
        f"{_ROWS}*input_channels*depth_multiplier",
        f"{_TAPS}*input_channels*depth_multiplier",
        f"{_WINDOWS}*(input_channels*depth_multiplier//16)",
        f"{_TAPS}*(input_channels*depth_multiplier//16)",
    ),
    "fully_connected": (
        "1",
        "batches*units",
        "batches*units*depth",
        "batches*units*(depth//16)",
        "batches*units*(depth%16)",
        "batches*units*(depth%4)",
        "batches*units*(1 if depth >= 16 else 0)",
    ),
    "average_pool_2d": (
        "1",
        "batches*output_h",
        _WINDOWS,
        f"{_WINDOWS}*channels",
        f"{_ROWS}*channels",
        f"{_TAPS}*channels",
        f"{_TAPS}*(channels//16)",
    ),
    "add": ("1", "n_rows", "n_rows*(n_loops-1)", "output_elements", "n_rows*(loops_last%16)"),
    "mean": (
        "1",
        "n_outputs",
        "n_outputs*n_output_loops",
        "n_outputs*n_sum_rows",
        "n_outputs*n_sum_rows*(n_sum_loops-1)",
        "n_outputs*n_sum_rows*sum_loops_last",
        "n_outputs*n_sum_rows*(sum_loops_last//16)",
    ),
    "pad": (
        "1",
        "n_elements",
        "n_elements//16",
        "n_rows",
        "n_rows*(n_loops-1)",
        "input_elements",
        "n_rows*(loops_last//16)",
    ),
    "concatenation": (
        "1",
        "n_rows",
        "n_rows*row_elements",
        "n_rows*(row_elements//16)",
        "n_rows*(row_elements%16)",
    ),
    "softmax": ("1", "n_rows", "n_rows*depth", "n_rows*(depth//16)"),
}
FEATURES["max_pool_2d"] = FEATURES["average_pool_2d"]
FEATURES["mul"] = FEATURES["add"]
_ELEMENTWISE = ("1", "output_elements", "output_elements//16", "output_elements%16")
_NEGLIGIBLE = 1e-4  # of the predicted cost, over all cases


def features_of(op: str, names: Sequence[Mapping[str, float]], *, vectors: bool) -> tuple[str, ...]:
    """The features of an operator that its calls have; without vectors none of whole ones."""
    wanted = FEATURES.get(op, _ELEMENTWISE)
    found = tuple(
        feature
        for feature in wanted
        if (vectors or not set("%/>") & set(feature))
        and all(feature_values([feature], n) is not None for n in names)
    )
    return found if len(found) > 1 else _ELEMENTWISE[: None if vectors else 2]


def fit(
    features: Sequence[str], names: Sequence[Mapping[str, float]], costs: Sequence[float]
) -> Linear:
    """The coefficients, 0 or more, that keep the sum of squared relative errors least.

    Raises ValueError where a feature names what a call does not have.
    """
    rows = [feature_values(features, case) for case in names]
    if None in rows:
        wrong = [f for f in features if any(feature_values([f], case) is None for case in names)]
        msg = f"no call has all that these name: {', '.join(wrong)}"
        raise ValueError(msg)
    matrix = np.array(rows, dtype=np.float64)
    target = np.array(costs, dtype=np.float64)
    # Absolute errors of a few instructions matter less than relative ones of large kernels.
    weights = 1 / np.maximum(target, 200.0)
    scales = np.maximum(np.abs(matrix * weights[:, None]).max(axis=0), 1e-30)
    solution = non_negative(matrix * weights[:, None] / scales, target * weights) / scales
    share = (matrix * solution).sum(axis=0) / max(float(target.sum()), 1.0)
    return tuple(
        (feature, _short(value))
        for feature, value, part in zip(features, solution, share, strict=True)
        if value > 0 and part > _NEGLIGIBLE
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def non_negative(matrix: Array, target: Array) -> Array:
    """The x of least |matrix @ x - target| with no x below 0 (Lawson and Hanson's method)."""
    n_columns = matrix.shape[1]
    x = np.zeros(n_columns)
    active = np.zeros(n_columns, dtype=bool)
    tolerance = 1e-10 * float(np.abs(matrix.T @ target).max())
    for _ in range(10 * n_columns):
        gradient = matrix.T @ (target - matrix @ x)
        gradient[active] = -np.inf
        best = int(np.argmax(gradient))
        if gradient[best] <= tolerance:
            break
        active[best] = True
        while True:
            trial = np.zeros(n_columns)
            trial[active] = np.linalg.lstsq(matrix[:, active], target, rcond=None)[0]
            negative = active & (trial <= 0)
            if not negative.any():
                break
            step = float((x[negative] / (x[negative] - trial[negative] + 1e-300)).min())
            x += step * (trial - x)
            active &= x > 1e-14
            x[~active] = 0.0
        x = trial
    return x
