"""FULLY_CONNECTED: NumPy against TFLite, and every kernel against NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.attributes import Activation, FullyConnectedAttributes
from anvil.ops.requantize import requantize, round_half_away
from tests.support.kernel_harness import Case, check_kernels, check_references
from tests.support.platforms import Platform, each_platform
from tests.support.tflite_builder import activation, constant, one_op_graph, random_array
from tests.support.window_cases import ACTIVATIONS, ZERO_POINTS, random_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def fully_connected_case(
    shape: tuple[int, ...],
    *,
    depth: int,
    units: int,
    keep_num_dims: bool = False,
    fused: Activation = Activation.NONE,
    zero_points: tuple[int, int] = (-5, 7),
    scales: tuple[float, float] = (0.04, 0.11),
    weight_scales: Sequence[float] = (0.003,),
    bias: Sequence[int] | None = (),
    values: Sequence[int] | None = None,
    weights: Sequence[int] | None = None,
    label: str = "",
) -> Case:
    """`bias`: empty for random values, None for an operator without one."""
    name = (
        f"{label}_{'x'.join(map(str, shape))}_d{depth}_u{units}_{fused.value}_"
        f"z{zero_points[0]}_{zero_points[1]}_s{len(weight_scales)}"
        f"{'_keep' if keep_num_dims else ''}"
    )
    rng = random_for(name)
    data = activation("input", shape, scale=scales[0], zero_point=zero_points[0])
    batches = int(np.prod(shape)) // depth
    output = activation(
        "output",
        (*shape[:-1], units) if keep_num_dims else (batches, units),
        scale=scales[1],
        zero_point=zero_points[1],
    )
    weight_values = (
        rng.integers(-128, 127, (units, depth), dtype=np.int8, endpoint=True)
        if weights is None
        else np.array(weights, np.int8).reshape(units, depth)
    )
    inputs = [data, constant("weights", weight_values, scales=weight_scales)]
    if bias is None:
        bias_tensor = None
    else:
        bias_values = (
            np.array(bias, np.int32) if bias else rng.integers(-9000, 9000, units, dtype=np.int32)
        )
        # TFLite compares this scale with those of the input and the weights.
        bias_scales = [scales[0] * scale for scale in weight_scales]
        bias_tensor = constant("bias", bias_values, scales=bias_scales)
    return Case(
        name=name,
        graph=one_op_graph(
            "FULLY_CONNECTED",
            [*inputs, bias_tensor],
            [output],
            FullyConnectedAttributes(activation=fused, keep_num_dims=keep_num_dims),
        ),
        inputs=(
            random_array(data, rng) if values is None else np.array(values, np.int8).reshape(shape),
        ),
    )


def _ramp(
    scale: float, zero_point: int, label: str, *, output_scale: float = 1.0, bias: int = 0
) -> Case:
    """Every sum from -32,512 to 32,513, plus `bias`: 254 apart by batch, 1 apart by unit."""
    batches = np.arange(-128, 128)
    return fully_connected_case(
        (256, 2),
        depth=2,
        units=256,
        zero_points=(0, zero_point),
        scales=(1.0, output_scale),
        weight_scales=(scale,),
        bias=[bias + n for n in range(256)],
        values=np.stack([batches, batches], axis=1).reshape(-1).tolist(),
        weights=[127, 127] * 256,
        label=label,
    )


def _cases() -> list[Case]:
    cases = [
        fully_connected_case(shape, depth=depth, units=units, keep_num_dims=keep)
        for shape, depth, units, keep in (
            ((1, 1), 1, 1, False),
            ((1, 17), 17, 5, False),
            ((3, 17), 17, 1, False),
            ((2, 3, 5), 15, 4, False),
            ((2, 3, 5), 5, 4, False),
            ((2, 3, 5), 5, 4, True),
            ((12,), 3, 2, False),
            ((2, 2, 2, 9), 9, 3, True),
            ((1, 640), 640, 17, False),
        )
    ]
    cases += [
        fully_connected_case(
            (2, 33), depth=33, units=5, fused=fused, zero_points=zero_points, scales=(0.04, 0.06)
        )
        for fused in ACTIVATIONS
        for zero_points in ZERO_POINTS
    ]
    cases += [
        fully_connected_case((2, 9), depth=9, units=3, bias=None, label="no_bias"),
        fully_connected_case(
            (2, 9), depth=9, units=3, weight_scales=(0.003, 0.02, 0.0007), label="per_channel"
        ),
        fully_connected_case(
            (2, 9),
            depth=9,
            units=3,
            weight_scales=(1e-30, 0.02, 3.0),
            label="per_channel_extreme",
        ),
    ]
    # Halves come with scales that are sums of few powers of two, and with 1 / (2 * odd),
    # where float64 rounds some products up to a half and others not; the others are the
    # general case, in which sums just above and just below each step are covered.
    scales = (1.0, 0.5, 0.25, 0.375, 2.0, 1 / 3, 0.0078125, 0.0123, 0.0011111, 3e-4, 1.7e-5)
    cases += [
        _ramp(scale, zero_point, f"ramp{i}")
        for i, scale in enumerate(scales)
        for zero_point in (-128, 3)
    ]
    cases += [
        _ramp(1.0, -3, f"ramp_1_{odd}", output_scale=2.0 * odd) for odd in (3, 7, 41, 49, 93, 103)
    ]
    return [
        *cases,
        _ramp(1e-6, 0, "far_up", bias=120_000_000),
        _ramp(1e-6, 0, "far_down", bias=-120_000_000),
        _ramp(1.1e-7, 0, "farther_up", bias=1_000_000_000),
    ]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numpy_equals_tflite(case: Case) -> None:
    check_references(case)


@each_platform
def test_kernels_equal_numpy(platform: Platform, tmp_path: Path) -> None:
    check_kernels(platform, CASES, tmp_path)


def test_the_cases_tell_one_rounding_from_two() -> None:
    # Otherwise a kernel that rounds twice, as convolutions do, would pass them.
    sums = np.arange(-32_512, 32_514)
    once = np.array([round_half_away(int(n) * 0.375) for n in sums])
    twice = requantize(sums, 0x60000000, -1)
    assert (once != twice).any()
