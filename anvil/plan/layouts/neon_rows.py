"""FULLY_CONNECTED for AArch64: weights of 8 units side by side, 16 inputs each; scales as doubles.

weights   (blocks of 8 units, steps of 16 inputs, units, inputs)
bias      one for each unit of the blocks
scales    likewise: the bits of the float64 that a sum is multiplied with

Options:
    product_bits    16 where a kernel adds two products in a lane of so many bits, and 32 for SDOT
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.neon_blocks import refuse_wide_pairs
from anvil.plan.layouts.rescaling import scales_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.plan.layouts.packing import Options

    Array = npt.NDArray[Any]

_UNITS, _STEP = 8, 16
_SHORT_BITS = 16


def pack(call: KernelCall, options: Options) -> KernelCall:
    """Raises NotPackable where two products may leave 16 bits, if they are added in these."""
    arrays = arrays_of(call)
    weights = arrays["weights"]
    in_blocks = blocks(weights, _UNITS, _STEP)
    if int(options["product_bits"]) == _SHORT_BITS:
        # A lane adds the products of inputs that are half a step apart.
        refuse_wide_pairs(in_blocks.reshape(-1, 2, _STEP // 2).transpose(0, 2, 1))
    n_filled = len(in_blocks) * _UNITS
    bias = np.zeros(n_filled, np.int32)
    bias[: len(weights)] = arrays["bias"]
    scales = np.zeros(n_filled)
    scales[: len(weights)] = scales_of(
        arrays["multiplier"], arrays["multiplier_low"], arrays["shift"]
    )
    return replace(
        call,
        constants=(
            constant_of("weights", in_blocks),
            constant_of("bias", bias),
            constant_of("scales", scales.view(np.int64)),
        ),
    )


def unpack(packed: KernelCall, _options: Options) -> dict[str, Array]:
    """Weights, bias and scales as the operator lowers them."""
    fields = dict(packed.parameters)
    units, depth = int(fields["units"]), int(fields["depth"])
    arrays = arrays_of(packed)
    scales = arrays["scales"].view(np.float64)[: units if fields["multiplier_stride"] else 1]
    fractions, shifts = np.frexp(scales)
    mantissas = (fractions * 2.0**62).astype(np.int64)
    return {
        "weights": from_blocks(arrays["weights"], units, depth),
        "bias": arrays["bias"][:units],
        "multiplier": (mantissas >> 31).astype(np.int32),
        "multiplier_low": (mantissas % 2**31).astype(np.int32),
        "shift": shifts.astype(np.int32),
    }
