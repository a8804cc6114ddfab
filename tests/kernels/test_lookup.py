"""RELU, RELU6, LOGISTIC and int8 to int8 QUANTIZE, each for all 256 values of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, one_op_graph

if TYPE_CHECKING:
    from pathlib import Path

EVERY_VALUE = np.arange(-128, 128).astype(np.int8)


def lookup_case(kind: str, source: tuple[float, int], target: tuple[float, int]) -> Case:
    values = np.concatenate([EVERY_VALUE, EVERY_VALUE[:3]]).reshape(7, 37)
    tensor = activation("x", values.shape, scale=source[0], zero_point=source[1])
    output = activation("y", values.shape, scale=target[0], zero_point=target[1])
    return Case(
        name=f"{kind} from {source[0]:g}, {source[1]} to {target[0]:g}, {target[1]}",
        graph=one_op_graph(kind, [tensor], [output]),
        inputs=(values,),
    )


def random_case(kind: str, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(-4, 1)
    zero_points = rng.integers(-128, 128, 2).tolist()
    if kind == "LOGISTIC":
        return lookup_case(kind, (scale, zero_points[0]), (1 / 256, -128))
    ratio = 10 ** rng.uniform(-1.5, 1.5)
    return lookup_case(kind, (scale, zero_points[0]), (scale * ratio, zero_points[1]))


CASES = [
    lookup_case("RELU", (0.05, -128), (0.05, -128)),
    lookup_case("RELU", (0.05, 127), (0.02, 127)),
    lookup_case("RELU", (1.0, 0), (2.0**-22, 0)),  # the greatest left shift
    lookup_case("RELU6", (0.05, 3), (6 / 255, -128)),
    lookup_case("RELU6", (0.05, 3), (0.0234375, -127)),
    lookup_case("RELU6", (1.0, 3), (12.0, 5)),  # half a step is the upper bound
    lookup_case("LOGISTIC", (0.05, 0), (1 / 256, -128)),
    lookup_case("LOGISTIC", (1e-9, 0), (1 / 256, -128)),
    lookup_case("LOGISTIC", (3e36, 5), (1 / 256, -128)),  # products beyond float32
    lookup_case("LOGISTIC", (0.1, 5), (1 / 256, 17)),  # TFLite asks for the scale alone
    lookup_case("QUANTIZE", (0.05, -3), (0.05, -3)),
    lookup_case("QUANTIZE", (0.05, -128), (0.05, 127)),
    lookup_case("QUANTIZE", (1.0, 0), (2.0, 0)),  # every other value is a tie
    *(
        random_case(kind, seed)
        for kind in ("RELU", "RELU6", "LOGISTIC", "QUANTIZE")
        for seed in range(12)
    ),
]
# Where TFLite rounds in float32, one unit in the last place can decide: many more tables.
MORE_LOGISTIC = [random_case("LOGISTIC", seed) for seed in range(100, 250)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_logistic_equals_tflite_for_many_scales() -> None:
    for case in MORE_LOGISTIC:
        check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
