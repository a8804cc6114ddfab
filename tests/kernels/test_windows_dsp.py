"""CONV_2D and DEPTHWISE_CONV_2D in little flash: all sizes, conditions, packing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Activation, Padding
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts import windows as layout
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.packing import NotPackable
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.paired_cases import pointwise, with_constants
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import (
    DILATED,
    UNDILATED,
    ZERO_POINTS,
    Windows,
    convolution_case,
    depthwise_case,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
VARIANTS = {
    op: next(v for v in variants_of(op, "int8") if v.name == "small__dsp")
    for op in ("conv_2d", "depthwise_conv_2d")
}


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def is_taken(case: Case) -> bool:
    call = call_of(case)
    return fits(VARIANTS[call.op], call)


def dense(windows: Windows, channels: tuple[int, int], **more: Any) -> Case:  # noqa: ANN401
    return convolution_case(
        windows,
        input_channels=channels[0],
        filter_channels=channels[0],
        output_channels=channels[1],
        **more,
    )


def _sizes() -> list[Case]:
    found = []
    for number, windows in enumerate(UNDILATED):
        zero_points = ZERO_POINTS[number % 5]
        channels = (1 + number % 6, 1 + number % 7)
        found.append(dense(windows, channels, zero_points=zero_points))
        found.append(
            depthwise_case(
                windows,
                input_channels=1 + number % 5,
                depth_multiplier=1,
                zero_points=zero_points,
                # The activation's bounds are the type's own, hence those of none.
                fused=Activation.RELU if zero_points[1] == -128 else Activation.NONE,
            )
        )
    return found


def _scales() -> list[Case]:
    by_label = {
        "_near": (0.004, 0.002, 0.01),
        "_large": (0.2, 0.9, 1.0),  # up to a half
        "_small": (1e-5, 3e-7, 8e-9),
        "_vanishing": (1e-9, 1e-30, 0.004),
    }
    return [
        dense(
            Windows(image=(5, 4), filter=(3, 3)),
            (4, 3),
            zero_points=(3, zero_point),
            weight_scales=tuple(scale * 0.09 / 0.04 / 2.01 for scale in scales),
            label=label,
        )
        for label, scales in by_label.items()
        for zero_point in (-128, 127)
    ]


# Every kernel of the operator has to occur, and there is one of 3x3 alone.
_THREE_BY_THREE = depthwise_case(
    Windows(image=(5, 7), filter=(3, 3)),
    input_channels=6,
    depth_multiplier=1,
    zero_points=(3, -128),
    fused=Activation.RELU,
)
CASES = [*_sizes(), *_scales(), _THREE_BY_THREE]


@st.composite
def _any_case(draw: st.DrawFn) -> Case:
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    windows = Windows(
        image=(size[0] + draw(st.integers(0, 5)), size[1] + draw(st.integers(0, 8))),
        filter=size,
        padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
        stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
    )
    zero_points = draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127)))
    if draw(st.booleans()):
        return depthwise_case(
            windows,
            input_channels=draw(st.integers(1, 12)),
            depth_multiplier=1,
            zero_points=zero_points,
        )
    channels = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    return dense(windows, channels, zero_points=zero_points)


@pytest.fixture(scope="module")
def random_cases() -> list[Case]:
    return drawn_cases(_any_case(), 40)


def test_numpy_equals_tflite(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        check_references(case)


def test_kernels_equal_numpy(random_cases: list[Case], tmp_path: Path) -> None:
    cases = CASES + random_cases
    assert all(map(is_taken, cases))
    check_kernels(CORTEX_M4F, cases, tmp_path)


def test_packing_loses_nothing(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        call = call_of(case)
        original = arrays_of(call)
        again = layout.unpack(layout.pack(call, {}), {})
        assert again.keys() == original.keys()
        for name, values in original.items():
            assert again[name].shape == values.shape, (case.name, name)
            assert (again[name] == values).all(), (case.name, name)


def test_what_it_cannot_do_is_left_to_others() -> None:
    image = Windows(image=(5, 4), filter=(3, 3))
    relu6 = {"fused": Activation.RELU6, "zero_points": (3, -100)}
    for case in (
        dense(DILATED[1], (2, 3)),
        dense(image, (2, 3), batches=2),
        dense(image, (2, 3), **relu6),
        convolution_case(image, input_channels=4, filter_channels=2, output_channels=4),
        depthwise_case(DILATED[1], input_channels=2, depth_multiplier=1),
        depthwise_case(image, input_channels=2, depth_multiplier=2),
        depthwise_case(image, input_channels=2, depth_multiplier=1, batches=2),
    ):
        assert not is_taken(case), case.name


def test_scales_from_a_half_on_are_refused() -> None:
    half = 0.5 * 0.09 / 0.04
    below, at = (
        dense(pointwise(3), (2, 1), weight_scales=(scale,), label=f"_{scale}")
        for scale in (half * (1 - 1e-6), half * (1 + 1e-6))
    )
    assert is_taken(below)
    with pytest.raises(NotPackable, match="1/2 or more"):
        layout.pack(call_of(at), {})


def test_parameters_of_more_than_16_bits_are_refused() -> None:
    assert is_taken(dense(pointwise(2**15 - 1), (1, 1)))
    with pytest.raises(NotPackable, match="32768 does not fit 16 bits"):
        layout.pack(call_of(dense(pointwise(2**15), (1, 1))), {})


def test_sums_at_the_ends_of_31_bits(tmp_path: Path) -> None:
    # The input's zero point is -5: eight products reach 8 * 132 * 127 and -8 * 123 * 127.
    def case_of(bias: int) -> Case:
        def change(weights: npt.NDArray[Any], biases: npt.NDArray[Any]) -> None:
            weights[:] = 127
            biases[:] = bias

        case = dense(pointwise(256), (8, 1), weight_scales=(4e-7,), label=f"_{bias}")
        case.inputs[0][:] = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256, 1)
        return with_constants(case, change)

    greatest, least = 2**30 - 1 - 8 * 132 * 127, -(2**30) + 8 * 123 * 127
    cases = [case_of(greatest), case_of(least)]
    for case in cases:
        check_references(case)
    assert all(map(is_taken, cases))
    check_kernels(CORTEX_M4F, cases, tmp_path)
    for bias in (greatest + 1, least - 1):
        with pytest.raises(NotPackable, match="more than 31 bits"):
            layout.pack(call_of(case_of(bias)), {})
