from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.attributes import SoftmaxAttributes
from tests.support.kernel_harness import Case, check_kernels, check_references, reference_outputs
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, one_op_graph

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def softmax_case(
    name: str, values: npt.NDArray[Any], *, scale: float, beta: float = 1.0, zero_point: int = -3
) -> Case:
    tensor = activation("x", values.shape, scale=scale, zero_point=zero_point)
    output = activation("y", values.shape, scale=1 / 256, zero_point=-128)
    graph = one_op_graph(
        "SOFTMAX", [tensor], [output], SoftmaxAttributes(beta=float(np.float32(beta)))
    )
    return Case(name=name, graph=graph, inputs=(values.astype(np.int8),))


def random_values(seed: int, shape: tuple[int, ...], spread: int = 256) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(-spread // 2, spread // 2, shape)


def every_difference(scale: float) -> Case:
    """Rows of the greatest value and one other: each entry of the table decides two outputs."""
    others = np.arange(-128, 128)
    rows = np.stack([np.full(256, 127), others], axis=1)
    return softmax_case(f"every difference at {scale:g}", rows, scale=scale)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    shape = (*rng.integers(1, 4, seed % 4).tolist(), int(rng.integers(1, 60)))
    return softmax_case(
        f"random {seed}",
        random_values(seed, shape, int(rng.choice([4, 40, 256]))),
        scale=10 ** rng.uniform(-4, 1),
        beta=rng.choice([0.5, 1.0, 1.0, 2.7, 10.0]),
        zero_point=int(rng.integers(-128, 128)),
    )


CASES = [
    softmax_case("ten classes", random_values(1, (1, 10)), scale=0.1),
    softmax_case("one element", random_values(2, (3, 1)), scale=0.1),
    softmax_case("one row", random_values(3, (17,)), scale=0.05),
    softmax_case("pixels", random_values(4, (2, 3, 5, 7)), scale=0.02),
    softmax_case("rank 6", random_values(4, (2, 1, 3, 1, 5, 7)), scale=0.02),
    softmax_case("beta", random_values(5, (4, 10)), scale=0.1, beta=0.3),
    softmax_case("all equal", np.full((2, 12), 127), scale=0.1),
    softmax_case("nearly 512 equal", np.full((1, 511), -128), scale=0.1),
    softmax_case("a long row", random_values(6, (1, 4095)), scale=0.2),
    softmax_case("the smallest scale", random_values(7, (4, 10)), scale=1.6e-8),
    softmax_case("a scale beyond the table", random_values(8, (4, 10), 8), scale=40.0),
    softmax_case("a capped scale", random_values(9, (4, 10), 8), scale=1e6),
    *(every_difference(scale) for scale in (0.001, 0.01, 0.1, 0.12109375, 0.1215, 0.25, 1.0, 31.0)),
    *(random_case(seed) for seed in range(40)),
]
# TFLite's reference aborts from 512 equal values on; every probability rounds to 0 there.
BEYOND_TFLITE = [
    softmax_case(f"{depth} equal", np.full((1, depth), 5), scale=0.1) for depth in (512, 1001, 4095)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@pytest.mark.parametrize("case", BEYOND_TFLITE, ids=lambda case: case.name)
def test_long_rows_of_equal_values_are_zero(case: Case) -> None:
    assert set(reference_outputs(case)[0].flat) == {-128}


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, [*CASES, *BEYOND_TFLITE], tmp_path)
