"""Whether two arrays agree, with a message that says where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.tolerance import Tolerance

    Array = npt.NDArray[Any]


def check_agreement(ours: Array, truth: Array, tolerance: Tolerance, label: str) -> float:
    """Fail the test where `ours` is not `truth`, bit for bit or, for floats, within `tolerance`.

    Returns the largest difference, relative to the largest finite magnitude in `truth`.
    """
    if tolerance.is_exact or truth.dtype.kind != "f":
        _assert_equal(ours, truth, label)
        return 0.0
    _assert_alike(ours, truth, label)
    is_finite = np.isfinite(truth)
    magnitude = float(np.abs(truth[is_finite].astype(np.float64)).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        difference = np.abs(ours.astype(np.float64) - truth.astype(np.float64))
    is_same = (ours == truth) | (np.isnan(ours) & np.isnan(truth))
    difference = np.where(is_same, 0.0, np.where(np.isnan(difference), np.inf, difference))
    largest = float(difference.max(initial=0.0))
    allowed = tolerance.allowed(magnitude)
    if largest > allowed or not np.isfinite(largest):
        where = tuple(int(i) for i in np.unravel_index(np.argmax(difference), truth.shape))
        pytest.fail(
            f"{label}: {np.count_nonzero(difference > allowed)} of {truth.size} differ by more "
            f"than {allowed:g}, most at {where}: {ours[where]} is not {truth[where]}, "
            f"which is {largest:g} off in a tensor of magnitude {magnitude:g}"
        )
    return largest / magnitude if magnitude else 0.0


def _assert_alike(ours: Array, truth: Array, label: str) -> None:
    assert ours.dtype == truth.dtype, f"{label}: {ours.dtype} is not {truth.dtype}"
    assert ours.shape == truth.shape, f"{label}: {ours.shape} is not {truth.shape}"


def _assert_equal(ours: Array, truth: Array, label: str) -> None:
    _assert_alike(ours, truth, label)
    if ours.tobytes() == truth.tobytes():
        return
    # Bits are compared: -0.0 is not 0.0.
    size = ours.dtype.itemsize
    bits = [
        np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, size)
        for array in (ours, truth)
    ]
    different = np.flatnonzero((bits[0] != bits[1]).any(axis=1))
    first = tuple(int(i) for i in np.unravel_index(different[0], truth.shape))
    pytest.fail(
        f"{label}: {len(different)} of {truth.size} differ, first at {first}: "
        f"{ours[first]} is not {truth[first]}"
    )
