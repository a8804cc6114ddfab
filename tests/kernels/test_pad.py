from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array

if TYPE_CHECKING:
    from pathlib import Path


def pad_case(
    name: str,
    shape: tuple[int, ...],
    paddings: list[tuple[int, int]],
    *,
    zero_point: int = -7,
    dtype: type[np.signedinteger] = np.int32,
) -> Case:
    rng = np.random.default_rng(list(name.encode()))
    tensor = activation("x", shape, scale=0.1, zero_point=zero_point)
    padded = [n + before + after for n, (before, after) in zip(shape, paddings, strict=True)]
    output = activation("y", padded, scale=0.1, zero_point=zero_point)
    graph = one_op_graph("PAD", [tensor, constant("p", np.array(paddings, dtype=dtype))], [output])
    return Case(name=name, graph=graph, inputs=(random_array(tensor, rng),))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    rank = seed % 5 + 1
    shape = tuple(int(n) for n in rng.integers(1, 5, rank))
    paddings = [(int(before), int(after)) for before, after in rng.integers(0, 3, (rank, 2))]
    return pad_case(f"random {seed}", shape, paddings, zero_point=int(rng.integers(-128, 128)))


CASES = [
    pad_case("an image", (2, 5, 7, 3), [(0, 0), (1, 2), (3, 0), (0, 0)]),
    pad_case("height alone", (2, 5, 7, 3), [(0, 0), (1, 1), (0, 0), (0, 0)]),
    pad_case("channels", (1, 5, 7, 3), [(0, 0), (0, 0), (0, 0), (2, 3)]),
    pad_case("one channel", (2, 3, 3, 1), [(0, 0), (0, 1), (0, 0), (1, 1)]),
    pad_case("every axis", (2, 3, 4, 5), [(1, 0), (0, 2), (3, 1), (2, 2)]),
    pad_case("nothing", (2, 3, 4, 5), [(0, 0)] * 4),
    pad_case("one element", (1, 1), [(2, 3), (1, 4)]),
    pad_case("int64 paddings", (3, 4), [(1, 2), (0, 1)], dtype=np.int64),
    pad_case("zero point 127", (3, 4), [(1, 2), (0, 1)], zero_point=127),
    *(random_case(seed) for seed in range(25)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)
