"""QUANTIZE from float32, and with int16 on one side; from int8 to int8 see test_lookup.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.core.tensor import DType
from tests.support.kernel_harness import Case, check_kernels, check_references, reference_outputs
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, one_op_graph

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def quantize_case(name: str, values: npt.NDArray[Any], scale: float, zero_point: int) -> Case:
    tensor = activation("x", values.shape, dtype=DType.FLOAT32, scale=None)
    output = activation("y", values.shape, scale=scale, zero_point=zero_point)
    return Case(
        name=name,
        graph=one_op_graph("QUANTIZE", [tensor], [output]),
        inputs=(values.astype(np.float32),),
    )


def around_ties(scale: float) -> npt.NDArray[np.float32]:
    """Values whose quotients lie at, just below and just above a half, and far outside."""
    halves = np.float32(scale) * (np.arange(-300, 300) + 0.5).astype(np.float32)
    below = np.nextafter(halves, np.float32(-np.inf))
    above = np.nextafter(halves, np.float32(np.inf))
    few = np.array([0.0, -0.0, 1e-45, -1e-45, 1e6 * scale, -1e6 * scale])
    return np.concatenate([halves, below, above, few.astype(np.float32)])


CASES = [
    quantize_case("a power of two", around_ties(0.5), 0.5, 0),
    quantize_case("a common scale", around_ties(0.0235), 0.0235, -128),
    quantize_case("zero point 127", around_ties(0.3), 0.3, 127),
    quantize_case("a large scale", around_ties(1e20), 1e20, 5),
    quantize_case("a small scale", around_ties(1e-30), 1e-30, -5),
    quantize_case("an image", np.linspace(-1, 1, 2 * 5 * 7 * 3).reshape(2, 5, 7, 3), 1 / 127, 0),
    *(
        quantize_case(f"random {seed}", around_ties(scale), scale, 11 * seed - 100)
        for seed, scale in enumerate(10 ** np.random.default_rng(7).uniform(-5, 5, 16))
    ),
]
_INT16_STEPS = np.concatenate(
    [
        [0.0, -0.0, 0.5, -0.5, 1.5, -2.5, 0.49999997, 32767.49, 32767.5, -32768.5],
        [8388609.0, 1e9, -1e9],
        np.linspace(-40000, 40000, 1001),
    ]
)
_SOME_INT16 = np.append(np.arange(-(2**15), 2**15, 97), 2**15 - 1).astype(np.int16)
_EVERY_INT8 = np.arange(-128, 128).astype(np.int8)


def conversion(
    values: npt.NDArray[Any],
    to: DType,
    scales: tuple[float, float],
    zero_points: tuple[int, int] = (0, 0),
) -> Case:
    """Integers or, with the first scale 1, floats."""
    dtype = DType(values.dtype.name)
    source = activation(
        "x",
        values.shape,
        dtype=dtype,
        scale=None if dtype is DType.FLOAT32 else scales[0],
        zero_point=zero_points[0],
    )
    output = activation("y", values.shape, dtype=to, scale=scales[1], zero_point=zero_points[1])
    return Case(
        name=f"{dtype.value} {scales[0]:g} to {to.value} {scales[1]:g}",
        graph=one_op_graph("QUANTIZE", [source], [output]),
        inputs=(values,),
    )


CASES += [
    *(
        conversion((_INT16_STEPS * scale).astype(np.float32), DType.INT16, (1.0, scale))
        for scale in (1.0, 0.1, 3.05e-5)
    ),
    *(
        conversion(_SOME_INT16, to, scales, (0, zero_point))
        for scales in ((0.1, 25.0), (0.1, 0.1), (1e-4, 3e-2), (3.0, 1.0))
        for to, zero_point in ((DType.INT8, -7), (DType.INT16, 0))
    ),
    *(
        conversion(_EVERY_INT8, DType.INT16, scales, (zero_point, 0))
        for scales, zero_point in (((0.1, 4e-4), 3), ((0.1, 0.01), -128), ((1.0, 1.0), 127))
    ),
]
# Undefined behaviour in TFLite: the quotient is beyond int32. Here it saturates.
BEYOND_TFLITE = quantize_case(
    "beyond int32", np.array([3e38, -3e38, 2.0**31, -(2.0**31), 2.5e9]), 0.01, 7
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


def test_what_tflite_leaves_undefined_saturates_and_nan_is_zero() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38])
    (output,) = reference_outputs(quantize_case("not finite", values, 0.01, 7))
    assert output.tolist() == [127, -128, 7, 127, -128]
    (output,) = reference_outputs(BEYOND_TFLITE)
    assert output.tolist() == [127, -128, 127, -128, 127]


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, [*CASES, BEYOND_TFLITE], tmp_path)
