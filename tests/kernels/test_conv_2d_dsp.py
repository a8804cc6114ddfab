"""CONV_2D on the DSP extension: sizes around its blocks, borders, conditions, packing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import strategies as st

from anvil.core.attributes import Padding
from anvil.ops.registry import DEFINITIONS
from anvil.plan.layouts import channel_pairs
from anvil.plan.layouts.packing import NotPackable, packed
from tests.support.drawn_cases import drawn_cases
from tests.support.kernel_harness import Case, check_kernels, check_references, fits, variants_of
from tests.support.paired_cases import dense_case, pointwise, with_constants
from tests.support.platforms import PLATFORMS
from tests.support.window_cases import DILATED, UNDILATED, ZERO_POINTS, Windows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

CORTEX_M4F = next(platform for platform in PLATFORMS if platform.name == "cortex-m4f")
VARIANT = next(v for v in variants_of("conv_2d", "int8") if v.symbol.endswith("blocks__dsp"))
OPTIONS = dict(VARIANT.layout_options)


def call_of(case: Case) -> KernelCall:
    (call,) = DEFINITIONS[case.op.kind].lower(case.op, case.graph)
    return call


def constants_of(call: KernelCall) -> dict[str, npt.NDArray[Any]]:
    dtypes = {"weights": np.int8}
    return {
        c.name: np.frombuffer(c.data, dtypes.get(c.name, np.int32)).reshape(c.shape)
        for c in call.constants
    }


def _around_the_blocks() -> list[Case]:
    # Blocks are 2 pixels and 4 channels; 16 steps of 2 products are one round of the loop.
    cases = [dense_case(pointwise(n), (5, 6)) for n in (1, 2, 3, 4, 5)]
    cases += [dense_case(pointwise(3), (n, 4)) for n in (*range(1, 10), 31, 32, 33, 34, 35)]
    cases += [dense_case(pointwise(3), (n, 8)) for n in (63, 64, 65, 66, 67, 95, 96, 97, 98, 128)]
    cases += [dense_case(pointwise(3), (8, n)) for n in range(1, 14)]
    return cases


def _windows() -> list[Case]:
    return [
        dense_case(
            windows,
            (1 + i % 6, 1 + i % 7),
            zero_points=(ZERO_POINTS[i % 5][0], (-128, 7)[i % 2]),
            batches=1 + i % 3,
        )
        for i, windows in enumerate(UNDILATED + DILATED)
    ]


def _rescalings() -> list[Case]:
    # Scales that one exponent does for, and such that each channel needs one of its own.
    by_label = {
        "_near": (0.004, 0.002, 0.01),
        "_large": (0.2, 0.6, 0.9),
        "_small": (1e-5, 3e-5, 8e-5),
        "_mixed": (0.3, 1e-5, 0.004),
        "_vanishing": (1e-9, 1e-30, 0.004),
    }
    return [
        dense_case(
            Windows(image=(5, 4), filter=(3, 3)),
            (4, 3),
            zero_points=(3, zero_point),
            weight_scales=tuple(scale * 0.09 / 0.04 for scale in scales),
            label=label,
        )
        for label, scales in by_label.items()
        for zero_point in (-128, -20, 127)
    ]


CASES = _around_the_blocks() + _windows() + _rescalings()


@st.composite
def _any_convolution(draw: st.DrawFn) -> Case:
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilation == (1, 1) else (1, 1)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    reach = [(size[i] - 1) * dilation[i] + 1 for i in range(2)]
    return dense_case(
        Windows(
            image=(reach[0] + draw(st.integers(0, 5)), reach[1] + draw(st.integers(0, 8))),
            filter=size,
            padding=draw(st.sampled_from([Padding.SAME, Padding.VALID])),
            stride=stride,
            dilation=dilation,
        ),
        (draw(st.integers(1, 19)), draw(st.integers(1, 18))),
        batches=draw(st.integers(1, 2)),
        zero_points=draw(st.tuples(st.integers(-128, 127), st.integers(-128, 127))),
    )


@pytest.fixture(scope="module")
def random_cases() -> list[Case]:
    return drawn_cases(_any_convolution(), 60)


def test_numpy_equals_tflite(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        check_references(case)


def test_kernels_equal_numpy(random_cases: list[Case], tmp_path: Path) -> None:
    cases = CASES + random_cases
    n_fitting = sum(fits(VARIANT, call_of(case)) for case in cases)
    assert n_fitting >= len(cases) - 4  # a channel's scale or its sums may be too large
    check_kernels(CORTEX_M4F, cases, tmp_path)


def test_both_rescalings_occur() -> None:
    found = set()
    for case in _rescalings():
        if fits(VARIANT, call_of(case)):
            found.add(dict(packed(VARIANT, call_of(case)).parameters)["own_exponents"])
    assert found == {0, 1}


def test_packing_loses_nothing(random_cases: list[Case]) -> None:
    for case in CASES + random_cases:
        call = call_of(case)
        if not fits(VARIANT, call):
            continue
        original = constants_of(call)
        again = channel_pairs.unpack(channel_pairs.pack(call, OPTIONS), OPTIONS)
        for name in ("weights", "bias"):
            assert (again[name] == original[name]).all(), (case.name, name)


def _one_pair(low: int, high: int, bias: int = 0) -> Case:
    """Two channels, one product: the smallest convolution with a pair."""

    def change(weights: npt.NDArray[Any], biases: npt.NDArray[Any]) -> None:
        weights[:, 0, 0, 0] = (low, high)
        biases[:] = (0, bias)

    case = dense_case(pointwise(5), (1, 2), weight_scales=(0.01, 0.01), label=f"_{low}_{high}")
    return with_constants(case, change)


def test_weights_at_the_ends_of_a_halfword(tmp_path: Path) -> None:
    extremes = [(127, 127), (-128, 127), (127, -128), (0, -128), (-128, -127), (-1, -127)]
    cases = [_one_pair(low, high) for low, high in extremes]
    assert all(fits(VARIANT, call_of(case)) for case in cases)
    check_kernels(CORTEX_M4F, cases, tmp_path)
    for low in (-1, -128):
        with pytest.raises(NotPackable, match="-128 lies above a negative one"):
            channel_pairs.pack(call_of(_one_pair(low, -128)), OPTIONS)


def test_sums_at_the_ends_of_24_bits(tmp_path: Path) -> None:
    # The input's zero point is -5: products reach 132 * 127 and -123 * 127.
    def case_of(bias: int) -> Case:
        def change(weights: npt.NDArray[Any], biases: npt.NDArray[Any]) -> None:
            weights[:] = 127
            biases[:] = (0, bias)

        scales = (5e-5, 5e-5)  # outputs change up to the ends
        case = dense_case(pointwise(256), (8, 2), weight_scales=scales, label=f"_{bias}")
        case.inputs[0][:] = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256, 1)
        return with_constants(case, change)

    greatest, least = 2**23 - 1 - 8 * 132 * 127, -(2**23) + 8 * 123 * 127
    cases = [case_of(greatest), case_of(greatest - 1)]
    for case in cases:
        check_references(case)
    assert all(fits(VARIANT, call_of(case)) for case in cases)
    check_kernels(CORTEX_M4F, cases, tmp_path)
    assert not fits(VARIANT, call_of(case_of(greatest + 1)))
    # Below 0 with a zero point of -128 the output is the same for all: nothing is asked of sums.
    assert fits(VARIANT, call_of(case_of(least - 1)))
