"""The layout of MVE's convolutions: nothing is lost, and what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_of
from anvil.plan.layouts import dot_blocks
from anvil.plan.layouts.packing import NotPackable

if TYPE_CHECKING:
    import numpy.typing as npt


def call_of(
    shape: tuple[int, int, int, int], *, shift: int = -7, zero_point: int = -128
) -> tuple[KernelCall, dict[str, npt.NDArray[np.generic]]]:
    rng = np.random.default_rng(sum(shape))
    given: dict[str, npt.NDArray[np.generic]] = {
        "weights": rng.integers(-128, 128, shape).astype(np.int8),
        # The extremes wrap around when the zero point is taken off, and back.
        "bias": rng.choice([-(2**31), -5, 0, 2**31 - 1], shape[0]).astype(np.int32),
        "multiplier": rng.integers(2**30, 2**31, shape[0]).astype(np.int32),
        "shift": np.full(shape[0], shift, np.int32),
    }
    fields = dict(
        zip(("output_channels", "filter_h", "filter_w", "filter_channels"), shape, strict=True)
    )
    call = KernelCall(
        op="conv_2d",
        dtype="int8",
        parameters=(*fields.items(), ("input_zero_point", zero_point)),
        inputs=(0,),
        constants=tuple(constant_of(name, values) for name, values in given.items()),
        outputs=(1,),
        n_macs=0,
    )
    return call, given


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (4, 1, 1, 16), (5, 3, 3, 3), (8, 1, 1, 145), (9, 3, 3, 64)]
)
@pytest.mark.parametrize("zero_point", [-128, -1, 127])
def test_packing_loses_nothing(shape: tuple[int, int, int, int], zero_point: int) -> None:
    call, given = call_of(shape, zero_point=zero_point)
    packed = dot_blocks.pack(call, {})
    found = dot_blocks.unpack(packed, {})
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in given.items()
    }
    n_blocks, n_steps = -(-shape[0] // 4), -(-int(np.prod(shape[1:])) // 16)
    assert packed.constants[0].shape == (n_blocks * (n_steps * 16 + 12),)


def test_a_scale_from_a_half_on_is_refused() -> None:
    call, _ = call_of((5, 1, 1, 4), shift=-1)
    dot_blocks.pack(call, {})
    shifts = constant_of("shift", np.array([-1, -1, 0, -1, -1], np.int32))
    with pytest.raises(NotPackable, match="1/2 or more"):
        dot_blocks.pack(replace(call, constants=(*call.constants[:3], shifts)), {})


@pytest.mark.parametrize("n_steps", [1, 2, 8, 9, 10, 17, 18, 40])
def test_every_step_comes_once(n_steps: int) -> None:
    assert sorted(dot_blocks.step_order(n_steps)) == list(range(n_steps))
