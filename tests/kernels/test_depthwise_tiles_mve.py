"""DEPTHWISE_CONV_2D 3x3 around the blocks of its MVE kernel: pairs of outputs, 16 channels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.arrays import constant_array, constant_of
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts.packing import NotPackable, layout_of, packed
from anvil.plan.layouts.tile_taps import blocks_of, pack, parts
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import (
    Case,
    check_references,
    fits,
    kernel_outputs,
    reference_outputs,
    variants_of,
)
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import Windows, depthwise_case

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.plan import KernelCall

_M55 = next(platform for platform in PLATFORMS if platform.name == "cortex-m55")
_VARIANT = next(
    v for v in variants_of("depthwise_conv_2d", "int8") if v.symbol.endswith("tiles__mve")
)
_OPTIONS = {"bytes": 1848}


def _case(
    image: tuple[int, int],
    n_channels: int,
    stride: tuple[int, int] = (1, 1),
    padding: Padding = Padding.SAME,
) -> Case:
    return depthwise_case(
        Windows(image=image, filter=(3, 3), stride=stride, padding=padding),
        input_channels=n_channels,
        depth_multiplier=1,
        fused=Activation.RELU,
        zero_points=(3, -128),
    )


def _around_the_blocks() -> list[Case]:
    """Odd and even outputs; one block swept by rows, and blocks side by side; rows left over."""
    cases = [_case((4, 5), n) for n in (1, 3, 15, 16, 17, 33)]
    cases += [_case((height, 5), 18) for height in (2, 3, 6, 7, 8, 13, 14, 25)]
    cases += [_case((5, width), 9) for width in (2, 3, 23, 26, 31)]
    cases += [_case((height, 21), 17, (2, 2)) for height in (4, 5, 9, 11, 14)]
    cases += [_case((12, 12), 7, stride) for stride in ((1, 2), (2, 1), (3, 3), (4, 3))]
    cases += [_case((9, 8), 20, stride, Padding.VALID) for stride in ((1, 1), (2, 2), (3, 2))]
    return cases


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    output_zero_point = draw(st.sampled_from([-128, -128, -128, -128, 5]))
    return depthwise_case(
        Windows(
            image=(draw(st.integers(3, 16)), draw(st.integers(3, 22))),
            filter=(3, 3),
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        ),
        input_channels=draw(st.integers(1, 35)),
        depth_multiplier=1,
        batches=draw(st.integers(1, 2)),
        fused=draw(st.sampled_from(Activation)),
        zero_points=(draw(st.integers(-128, 127)), output_zero_point),
        scales=(0.04, draw(st.sampled_from([0.02, 0.09, 1.3]))),
    )


def _random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 50)


def _call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def _with(call: KernelCall, **changed: object) -> KernelCall:
    """`call` with other values of its constants, by name."""
    constants = tuple(
        constant_of(
            c.name,
            np.broadcast_to(changed[c.name], c.shape).astype(constant_array(c).dtype),  # type: ignore[call-overload]
        )
        if c.name in changed
        else c
        for c in call.constants
    )
    return replace(call, constants=constants)


def test_the_kernel_equals_numpy_and_tflite(tmp_path: Path) -> None:
    cases = _around_the_blocks() + _random_cases()
    for case in cases:
        check_references(case)
    results = kernel_outputs(_M55, cases, tmp_path)
    taken = sum(_VARIANT.symbol in by_variant for by_variant in results)
    assert taken > 0.5 * len(cases), f"{taken} of {len(cases)}"
    for case, by_variant in zip(cases, results, strict=True):
        (expected,) = reference_outputs(case)
        for symbol, (found,) in by_variant.items():
            assert found.tobytes() == expected.tobytes(), f"{case.name}: {symbol}"


def test_all_cases_around_the_blocks_are_taken() -> None:
    for case in _around_the_blocks():
        assert fits(_VARIANT, _call_of(case)), case.name


def test_halves_below_zero_are_seen() -> None:
    """With a zero point above -128 they show, unless the activation hides them."""
    call = _call_of(_case((5, 5), 4))
    fields = dict(call.parameters)
    for changed, is_right in (
        ({"output_zero_point": -127, "output_min": -127}, False),
        ({"output_zero_point": -127}, False),
        ({"output_max": 100}, True),
        ({"output_min": -120}, False),
    ):
        other = replace(call, parameters=tuple((fields | changed).items()))
        if is_right:
            pack(other, _OPTIONS)
        else:
            with pytest.raises(NotPackable, match="halves"):
                pack(other, _OPTIONS)


def test_scales_and_sums_out_of_reach_are_refused() -> None:
    call = _call_of(_case((5, 5), 4))
    pack(_with(call, shift=-1), _OPTIONS)
    pack(_with(call, shift=-22), _OPTIONS)
    for shift in (0, 1, -23):
        with pytest.raises(NotPackable, match="scale"):
            pack(_with(call, shift=shift), _OPTIONS)
    # 9 * 127 * (127 - 3 and -128 - 3): what is left of an int32 on either side.
    highest, lowest = 9 * 127 * 124, 9 * 127 * -131
    wide = _with(call, weights=127)
    for bias, is_right in (
        (2**31 - 1 - highest, True),
        (2**31 - highest, False),
        (-(2**31) - lowest, True),
        (-(2**31) - lowest - 1, False),
    ):
        if is_right:
            pack(_with(wide, bias=bias, shift=-20), _OPTIONS)
        else:
            with pytest.raises(NotPackable, match="wrap"):
                pack(_with(wide, bias=bias, shift=-20), _OPTIONS)


def test_sums_at_the_bounds_of_int32(tmp_path: Path) -> None:
    """All inputs and weights extreme, and biases that leave no room."""
    case = _case((4, 4), 16)
    highest = 9 * 127 * 124
    rng = np.random.default_rng(5)
    values = rng.choice(np.array([-128, 127], np.int8), case.inputs[0].shape)
    values[0, :3, :3] = 127
    call = _with(_call_of(case), weights=127, bias=2**31 - 1 - highest, shift=-22)
    assert fits(_VARIANT, call)
    tensors = list(case.graph.tensors)
    for index, constant in zip(case.op.inputs[1:], call.constants[:2], strict=True):
        tensors[index] = replace(tensors[index], data=constant.data)
    bounded = replace(
        case, name="bounds", graph=replace(case.graph, tensors=tuple(tensors)), inputs=(values,)
    )
    check_references(bounded)
    (by_variant,) = kernel_outputs(_M55, [bounded], tmp_path)
    (expected,) = reference_outputs(bounded)
    for symbol, (found,) in by_variant.items():
        assert found.tobytes() == expected.tobytes(), symbol


def test_nothing_is_lost() -> None:
    for case in _around_the_blocks():
        call = _call_of(case)
        found = layout_of(_VARIANT.layout).unpack(packed(_VARIANT, call), {})
        for constant in call.constants:
            data = np.ascontiguousarray(found[constant.name]).tobytes()
            assert data == constant.data, (case.name, constant.name)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("most_bytes", [1848, 10_000])
def test_blocks_fit(stride: int, most_bytes: int) -> None:
    for height, width in itertools.product((2, 3, 5, 6, 7, 13, 31), repeat=2):
        fields = {
            "output_h": height,
            "output_w": width,
            "stride_h": stride,
            "stride_w": stride,
            "input_w": width * stride,
            "input_channels": 24,
            "pad_top": 1,
        }
        assert blocks_of(fields, most_bytes).bytes_needed(fields) <= most_bytes


def test_no_part_is_one() -> None:
    for whole, size in itertools.product(range(2, 30), range(2, 12)):
        found = parts(whole, size)
        assert sum(found) == whole
        assert min(found) >= 2
        assert set(found[:-1]) <= {size}
