"""The scalar kernels on RV32IMC, whose compiler and run-time library no other platform uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels.test_add import CASES as ADDITIONS
from tests.kernels.test_conv_2d import CASES as CONVOLUTIONS
from tests.kernels.test_depthwise_conv_2d import CASES as DEPTHWISE
from tests.kernels.test_float32_operators import CASES as FLOATS
from tests.kernels.test_fully_connected import CASES as FULLY_CONNECTED
from tests.kernels.test_pools import CASES as POOLS
from tests.kernels.test_softmax import CASES as SOFTMAXES
from tests.kernels.test_weights_float import CASES as FLOAT_WEIGHTS
from tests.support.kernel_harness import check_kernels
from tests.support.platforms import RV32IMC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.kernel_harness import Case


@pytest.mark.parametrize(
    "cases",
    [CONVOLUTIONS[::2] + DEPTHWISE[::2], FULLY_CONNECTED + ADDITIONS + POOLS + SOFTMAXES],
    ids=["windows", "others"],
)
def test_integers_are_those_of_numpy(cases: Sequence[Case], tmp_path: Path) -> None:
    check_kernels(RV32IMC, cases, tmp_path)


def test_floats_are_those_of_numpy(tmp_path: Path) -> None:
    """Every float operation is a call of the run-time library."""
    check_kernels(RV32IMC, FLOATS[::2] + FLOAT_WEIGHTS[::4], tmp_path)
