"""The kernels of RV32IMC around their blocks: 4 pixels, 4 channels, 4 products at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.arrays import constant_of
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from tests.kernels.test_fully_connected import fully_connected_case
from tests.support.compiled_program import program_output
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import RV32IMC
from tests.support.programs import ROOT
from tests.support.window_cases import (
    ACTIVATIONS,
    ZERO_POINTS,
    Windows,
    convolution_case,
    depthwise_case,
)

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall, Variant

_OPERATORS = ("conv_2d", "depthwise_conv_2d", "fully_connected")
_SCALES = (0.02, 0.09, 1.3)  # of outputs


def _variant(op: str) -> Variant:
    (found,) = [v for v in variants_of(op, "int8") if v.isa == "rv32"]
    return found


def _pixels(n_pixels: int, depth: int, n_channels: int, number: int) -> Case:
    return convolution_case(
        Windows(image=(1, n_pixels), filter=(1, 1)),
        input_channels=depth,
        filter_channels=depth,
        output_channels=n_channels,
        fused=ACTIVATIONS[number % len(ACTIVATIONS)],
        zero_points=ZERO_POINTS[number % len(ZERO_POINTS)],
        batches=1 + number % 3,
    )


def _around_the_blocks() -> list[Case]:
    cases = [_pixels(n, 5, 5, n) for n in range(1, 10)]
    cases += [_pixels(4, n, 3, n) for n in (1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 17)]
    cases += [_pixels(5, 6, n, n) for n in range(1, 10)]
    cases += [
        depthwise_case(
            Windows(image=(4, 5), filter=size), input_channels=n, depth_multiplier=1, batches=2
        )
        for size in ((3, 3), (1, 4), (2, 1))
        for n in (1, 2, 3, 4, 5, 7, 8, 9)
    ]
    sizes = [(n, 5) for n in (1, 2, 3, 4, 5, 7, 8, 9, 33)] + [(6, n) for n in range(1, 10)]
    return cases + [
        fully_connected_case(
            (1 + n % 3, depth),
            depth=depth,
            units=units,
            fused=ACTIVATIONS[n % len(ACTIVATIONS)],
            zero_points=ZERO_POINTS[n % len(ZERO_POINTS)],
        )
        for n, (depth, units) in enumerate(sizes)
    ]


@st.composite
def _any_window(draw: st.DrawFn) -> Case:
    is_depthwise = draw(st.booleans())
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    if is_depthwise:
        stride = (stride[0], stride[0])
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    windows = Windows(
        image=(reach[0] + draw(st.integers(0, 4)), reach[1] + draw(st.integers(0, 6))),
        filter=size,
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
        stride=stride,
        dilation=dilation,
    )
    depth = draw(st.integers(1, 13))
    batches, fused = draw(st.integers(1, 2)), draw(st.sampled_from(Activation))
    zero_points = draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127)))
    scales = (0.04, draw(st.sampled_from(_SCALES)))
    if is_depthwise:
        return depthwise_case(
            windows,
            input_channels=depth,
            depth_multiplier=1,
            batches=batches,
            fused=fused,
            zero_points=zero_points,
            scales=scales,
        )
    return convolution_case(
        windows,
        input_channels=depth,
        filter_channels=depth,
        output_channels=draw(st.integers(1, 9)),
        batches=batches,
        fused=fused,
        zero_points=zero_points,
        scales=scales,
    )


@st.composite
def _any_layer(draw: st.DrawFn) -> Case:
    depth, units = draw(st.integers(1, 70)), draw(st.integers(1, 9))
    each = draw(st.booleans())
    return fully_connected_case(
        (draw(st.integers(1, 3)), depth),
        depth=depth,
        units=units,
        fused=draw(st.sampled_from(Activation)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
        scales=(0.04, draw(st.sampled_from(_SCALES))),
        weight_scales=[0.002 + 0.0003 * unit for unit in range(units)] if each else (0.003,),
        bias=draw(st.sampled_from([(), None])),
    )


def _random_cases() -> list[Case]:
    return drawn_cases(st.one_of(_any_window(), _any_window(), _any_layer()), 90)


def _call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def test_the_kernels_equal_numpy_and_tflite(tmp_path: Path) -> None:
    """And take nearly all."""
    cases = _around_the_blocks() + _random_cases()
    for case in cases:
        check_references(case)
    results = kernel_outputs(RV32IMC, cases, tmp_path)
    n_taken = 0
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        n_taken += any(symbol.endswith("__rv32") for symbol in by_variant)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"
    assert n_taken > 0.9 * len(cases)


def _at_the_bounds(is_greatest: bool, weight: int, bias: int, scale: float) -> Case:  # noqa: FBT001
    """Five pixels of one value, so that every sum is one of the bounds that the weights allow."""
    case = convolution_case(
        Windows(image=(1, 5), filter=(1, 1)),
        input_channels=300,
        filter_channels=300,
        output_channels=4,
        zero_points=(-128 if weight > 0 else 127, 3),
        scales=(0.04, scale),
    )
    (values,) = case.inputs
    filled = np.full_like(values, 127 if is_greatest else -128)
    tensors = list(case.graph.tensors)
    for position, number in ((1, weight), (2, bias)):
        index = case.op.inputs[position]
        data = np.frombuffer(tensors[index].data or b"", np.int8 if position == 1 else np.int32)
        tensors[index] = replace(tensors[index], data=np.full_like(data, number).tobytes())
    return Case(
        name=f"{weight} {bias} {scale} {is_greatest}",
        graph=replace(case.graph, tensors=tuple(tensors)),
        inputs=(filled,),
    )


def test_sums_at_their_bounds(tmp_path: Path) -> None:
    cases = [
        _at_the_bounds(is_greatest, weight, bias, scale)
        for is_greatest in (False, True)
        for weight in (127, -127)
        for bias in (0, 40000, -40000)
        for scale in (0.3, 5.1)
    ]
    results = kernel_outputs(RV32IMC, cases, tmp_path)
    assert all(_variant("conv_2d").symbol in by_variant for by_variant in results)
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"


def test_sums_that_may_wrap_around_are_left_to_others() -> None:
    call = _call_of(_pixels(4, 4, 1, 0))
    weights, bias, *rest = call.constants

    def changed(start: int) -> KernelCall:
        biases = constant_of(bias.name, np.array([start], np.int32))
        return replace(call, constants=(weights, biases, *rest))

    # Four products are less than 2^17, whatever the weights.
    packed(_variant("conv_2d"), changed(2**31 - 2**17))
    with pytest.raises(NotPackable, match="wrap around"):
        packed(_variant("conv_2d"), changed(2**31 - 1))


def test_a_scale_without_an_exact_form_is_left_to_others() -> None:
    """Every sum of a large range has its own output around 0: 32 bits are too few for that."""
    call = _call_of(_pixels(4, 8, 4, 0))
    by_name = arrays_of(call)
    huge = tuple(
        constant_of(name, np.full_like(values, 30) if name == "shift" else values)
        for name, values in by_name.items()
    )
    with pytest.raises(NotPackable):
        packed(_variant("conv_2d"), replace(call, constants=huge))


@pytest.mark.parametrize("op", _OPERATORS)
def test_weights_and_biases_are_kept(op: str) -> None:
    variant = _variant(op)
    calls = [call for case in _around_the_blocks() if (call := _call_of(case)).op == op]
    taken = [call for call in calls if fits(variant, call)]
    assert taken
    for call in taken:
        found = layout_of(variant.layout).unpack(packed(variant, call), {})
        for constant in call.constants:
            if constant.name in found:
                data = np.ascontiguousarray(found[constant.name])
                assert data.tobytes() == constant.data, constant.name
                assert data.shape == constant.shape


_PROGRAM = """\
#include "common/dots_4x4__rv32.h"
#include "kept_registers_rv32.h"
#include "platform.h"

static int32_t block[64];
static const int8_t windows[256];
static uint32_t totals[16];

void run_cases(void) {
  uint8_t counts[12];
  uint8_t *count = counts;
  *count++ = (uint8_t)changed(0, 0, 0, 0, 0, careless);
  for (int32_t n = 0; n <= 10; ++n) {
    *count++ = (uint8_t)changed(block, windows, 12, n, totals, (plain)anvil_dots_4x4__rv32);
  }
  platform_write(counts, sizeof counts);
}
"""


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    """The function calls none, so that the stack needs no alignment beyond that of a word."""
    sources = [str(ROOT / "kernels" / "common" / "dots_4x4__rv32.S")]
    counts = program_output(RV32IMC, _PROGRAM, tmp_path, sources=sources)
    assert list(counts) == [102, *[0] * 11]
