from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.tensor import DType
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, one_op_graph

if TYPE_CHECKING:
    from pathlib import Path


def dequantize_case(scale: float, zero_point: int) -> Case:
    tensor = activation("x", (2, 128), scale=scale, zero_point=zero_point)
    output = activation("y", (2, 128), dtype=DType.FLOAT32, scale=None)
    values = np.arange(-128, 128).astype(np.int8).reshape(2, 128)
    return Case(
        name=f"{scale:g}, {zero_point}",
        graph=one_op_graph("DEQUANTIZE", [tensor], [output]),
        inputs=(values,),
    )


CASES = [
    dequantize_case(1 / 256, -128),
    dequantize_case(0.1, 127),
    dequantize_case(1e-38, 0),  # subnormal products
    dequantize_case(1e38, -1),  # products beyond float32
    *(
        dequantize_case(scale, 11 * index - 100)
        for index, scale in enumerate(10 ** np.random.default_rng(7).uniform(-9, 9, 16))
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
