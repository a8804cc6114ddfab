"""The kernels in plain C on a core without divider, wide multiplier and unaligned loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.kernels import (
    test_add,
    test_conv_2d,
    test_depthwise_conv_2d,
    test_fully_connected,
    test_mean,
    test_pools,
    test_softmax,
)
from tests.support.kernel_harness import check_kernels
from tests.support.platforms import CORTEX_M0

if TYPE_CHECKING:
    from pathlib import Path

_MODULES = (
    test_add,
    test_conv_2d,
    test_depthwise_conv_2d,
    test_fully_connected,
    test_mean,
    test_pools,
    test_softmax,
)
_EVERY = 5  # of their cases, which other platforms run all of


def test_kernels_equal_numpy(tmp_path: Path) -> None:
    cases = [case for module in _MODULES for case in module.CASES[::_EVERY]]
    assert check_kernels(CORTEX_M0, cases, tmp_path) == 0.0
