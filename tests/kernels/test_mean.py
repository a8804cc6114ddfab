from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import MeanAttributes
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from pathlib import Path


def mean_case(
    name: str,
    shape: tuple[int, ...],
    axes: list[int],
    *,
    keep_dims: bool = False,
    source: tuple[float, int] = (0.05, 3),
    target: tuple[float, int] = (0.02, -11),
    fill: int | None = None,
) -> Case:
    rng = np.random.default_rng(list(name.encode()))
    tensor = activation("x", shape, scale=source[0], zero_point=source[1])
    reduced = {axis % len(shape) for axis in axes}
    left = [
        1 if axis in reduced else extent
        for axis, extent in enumerate(shape)
        if keep_dims or axis not in reduced
    ]
    output = activation("y", left, scale=target[0], zero_point=target[1])
    graph = one_op_graph(
        "MEAN",
        [tensor, constant("axes", np.array(axes, dtype=np.int32))],
        [output],
        MeanAttributes(keep_dims=keep_dims),
    )
    values = random_array(tensor, rng)
    if fill is not None:
        values = np.full_like(values, fill)
    return Case(name=name, graph=graph, inputs=(values,))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    rank = seed % 5 + 1
    scale = 10 ** rng.uniform(-4, 1)
    ratio = 1.0 if seed % 4 == 0 else 10 ** rng.uniform(-2, 2)
    zero_points = rng.integers(-128, 128, 2).tolist()
    return mean_case(
        f"random {seed}",
        tuple(rng.integers(1, 8, rank).tolist()),
        rng.integers(-rank, rank, rng.integers(1, rank + 2)).tolist(),
        keep_dims=bool(seed % 2),
        source=(scale, zero_points[0]),
        target=(scale * ratio, zero_points[seed % 4 != 0]),
    )


CASES = [
    mean_case("an image, dims kept", (2, 5, 7, 3), [1, 2], keep_dims=True),
    mean_case("an image", (2, 5, 7, 3), [1, 2]),
    mean_case("width before height", (2, 5, 7, 3), [2, 1], keep_dims=True),
    mean_case("negative and repeated axes", (2, 5, 7, 3), [-2, 1, 2, -3]),
    mean_case("one quantization", (1, 4, 4, 9), [1, 2], source=(0.1, -128), target=(0.1, -128)),
    mean_case("everything", (3, 5, 7), [0, 1, 2]),
    mean_case("everything, dims kept", (3, 5, 7), [0, 1, 2], keep_dims=True),
    mean_case("outer and inner", (4, 3, 5, 2), [0, 2]),
    mean_case("every other axis of 5", (3, 2, 4, 2, 3), [0, 2, 4]),
    mean_case("the last axis", (4, 33), [1]),
    mean_case("one element", (1, 1), [1]),
    mean_case("saturates above", (1, 8, 8, 2), [1, 2], target=(0.001, 100), fill=127),
    mean_case("saturates below", (1, 8, 8, 2), [1, 2], target=(0.001, -100), fill=-128),
    mean_case("ties", (1, 2, 1, 251), [1], source=(1.0, 0), target=(1.0, 0)),
    mean_case("a long sum", (1, 100, 100, 2), [1, 2], source=(0.1, 127), fill=-128),
    mean_case("a multiplier near zero", (2, 9, 2), [1], source=(1e-9, 0), target=(1.0, 0)),
    mean_case("a multiplier flushed to zero", (2, 9, 2), [1], source=(1e-12, 0), target=(1.0, 0)),
    mean_case("a large multiplier", (2, 9, 2), [1], source=(1.0, 0), target=(1e-4, 0)),
    *(random_case(seed) for seed in range(40)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
