"""ADD for the DSP extension: every pair of operands, sizes around four, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anvil.core.attributes import Activation, ArithmeticAttributes
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.add_equal import reference_outputs
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.kernels.test_add import add_case
from tests.support.kernel_harness import (
    Case,
    check_kernels,
    check_references,
    fits,
    kernel_outputs,
    variants_of,
)
from tests.support.kernel_harness import reference_outputs as numpy_outputs
from tests.support.platforms import PLATFORMS
from tests.support.tflite_builder import activation, one_op_graph

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
VARIANT = next(v for v in variants_of("add", "int8") if v.isa == "dsp")


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def every_pair(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], fused: Activation
) -> Case:
    first, second, output = (
        activation(name, (1 << 16,), scale=scale, zero_point=zero_point)
        for name, scale, zero_point in zip(("a", "b", "c"), scales, zero_points, strict=True)
    )
    graph = one_op_graph("ADD", [first, second], [output], ArithmeticAttributes(activation=fused))
    values = np.arange(-128, 128).astype(np.int8)
    return Case(
        name=f"{scales} {zero_points}",
        graph=graph,
        inputs=(np.repeat(values, 256), np.tile(values, 256)),
    )


# The three of a residual network, then what is symmetric, saturates, and hardly moves.
PAIRS = [
    every_pair((0.0296, 0.0391, 0.0399), (-128, 4, -128), Activation.RELU),
    every_pair((0.044731, 0.056517, 0.060073), (-17, 4, -128), Activation.RELU),
    every_pair((0.0601, 0.0779, 0.0911), (38, -2, -128), Activation.RELU),
    every_pair((0.05, 0.05, 0.1001), (0, 0, 0), Activation.NONE),
    every_pair((0.3, 0.2, 0.1), (127, -128, 3), Activation.NONE),
    every_pair((0.00113, 0.00217, 0.7031), (-128, 127, -128), Activation.NONE),
]
CASES = [add_case(f"{n} elements", ((n,), (n,))) for n in (2, 3, 4, 5, 7, 8, 9, 31)]


def test_every_pair_and_every_size(tmp_path: Path) -> None:
    fitting = [case for case in PAIRS + CASES if fits(VARIANT, call_of(case))]
    assert len(fitting) == len(PAIRS + CASES)
    for case in PAIRS:
        check_references(case)
    check_kernels(CORTEX_M4F, CASES, tmp_path)
    for case, outputs in zip(PAIRS, kernel_outputs(CORTEX_M4F, PAIRS, tmp_path), strict=True):
        np.testing.assert_array_equal(outputs[VARIANT.symbol], numpy_outputs(case))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.tuples(*[st.floats(0.001, 1.0)] * 3),
    st.tuples(*[st.integers(-128, 127)] * 3),
    st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6]),
)
def test_what_is_packed_is_right_for_every_pair(
    scales: tuple[float, float, float], zero_points: tuple[int, int, int], fused: Activation
) -> None:
    scales = tuple(float(np.float32(scale)) for scale in scales)  # type: ignore[assignment]
    case = every_pair(scales, zero_points, fused)
    call = call_of(case)
    (expected,) = numpy_outputs(case)
    fields = dict(call.parameters)
    np.testing.assert_array_equal(reference_outputs(fields).reshape(-1), expected)
    try:
        found = dict(packed(VARIANT, call).parameters)
    except NotPackable:
        return
    first, second = (values.astype(np.int64) for values in case.inputs)
    m1, m2, start = (int(found[name]) for name in ("multiplier1", "multiplier2", "start"))
    sums = start + (first * m1 >> 8) + (second * m2 >> 8)
    assert abs(sums).max() < 2**31
    np.testing.assert_array_equal(np.clip(sums >> 21, -128, 127), expected)


@pytest.mark.parametrize(
    "case",
    [
        add_case("a scalar operand", ((2, 3), ())),
        add_case("one per channel", ((2, 3), (3,))),
        add_case("too large scales", ((8,), (8,)), scales=(5.0, 0.1, 0.1)),
        add_case("ties, rounded twice", ((8,), (8,)), scales=(0.0447, 0.0565, 0.06)),
        add_case("a bound that saturation has not", ((8,), (8,)), act=Activation.RELU),
    ],
    ids=lambda case: case.name,
)
def test_what_misses_the_conditions_is_left_to_others(case: Case) -> None:
    assert not fits(VARIANT, call_of(case))


def test_nothing_is_lost() -> None:
    call = call_of(CASES[4])
    layout = layout_of(VARIANT.layout)
    (loops,) = layout.unpack(packed(VARIANT, call), {}).values()
    assert loops.tobytes() == call.constants[0].data
