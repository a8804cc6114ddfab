"""int8 FULLY_CONNECTED for kernels whose steps are dot products of 16 values, as on MVE.

One constant, `blocks`, int32: for each block of four units, as the kernel reads them,

    weights                  int8 (steps, 4, 16)
    bias                     int32 (4), the input's zero point in it
    left, multiplier,        int32 (4) each: fixed_rescale.py, proved for every sum to be the
    addend, below, exponent  reference's single rounding; the exponent negative

Units and products that fill up the last block and the last step are 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.channel_blocks import blocks, from_blocks
from anvil.plan.layouts.fixed_rescale import fixed_rescale
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import INT8_MAX, INT8_MIN, rounded_once, scales_of, sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall

    Array = npt.NDArray[Any]
    Options = Mapping[str, int | str]

_UNITS, _DEPTH = 4, 16
_N_COLUMNS = 6


def pack(call: KernelCall, options: Options) -> KernelCall:
    """`call` of fully_connected in blocks; refused where a rescaling cannot be exact."""
    del options
    fields = dict(call.parameters)
    given = {constant.name: _array(constant) for constant in call.constants}
    n_units = len(given["bias"])
    flat = given["weights"].reshape(n_units, -1)
    sums = sum_range(flat, given["bias"], 0)
    if not sums.fits_int32:
        raise NotPackable("its sums may wrap around")
    names = ("multiplier", "multiplier_low", "shift")
    scales = scales_of(*(np.broadcast_to(given[name], n_units) for name in names))
    # The kernel saturates, and applies narrower bounds of the activation afterwards.
    reference = rounded_once(scales, int(fields["output_zero_point"]), INT8_MIN, INT8_MAX)
    rescale = fixed_rescale(reference, sums, scales, exponent=None)
    if not rescale.is_right.all():
        raise NotPackable("a unit's scale has no cheap rescaling that is exact for all its sums")
    columns = (
        given["bias"],
        rescale.left,
        rescale.multiplier,
        rescale.addend,
        rescale.below,
        -rescale.exponent,
    )
    by_step = blocks(flat, _UNITS, _DEPTH)
    rows = [by_step.reshape(len(by_step), -1).view("<i4"), *map(_filled, columns)]
    return replace(
        call, constants=(constant_of("blocks", np.concatenate(rows, axis=1).reshape(-1)),)
    )


def unpack(packed: KernelCall, options: Options) -> dict[str, Array]:
    """Weights and biases; the scales have been proved to be replaced."""
    del options
    fields = dict(packed.parameters)
    n_units, depth = int(fields["units"]), int(fields["depth"])
    rows = _array(packed.constants[0]).reshape(-(-n_units // _UNITS), -1)
    n_weight_words = rows.shape[1] - _N_COLUMNS * _UNITS
    stored = np.ascontiguousarray(rows[:, :n_weight_words]).view(np.int8)
    weights = from_blocks(stored.reshape(len(rows), -1, _UNITS, _DEPTH), n_units, depth)
    bias = rows[:, n_weight_words : n_weight_words + _UNITS].reshape(-1)[:n_units]
    return {"weights": weights, "bias": np.ascontiguousarray(bias)}


def _filled(values: Array) -> Array:
    """One row of int32 for each block, zeros behind the last unit."""
    n_blocks = -(-len(values) // _UNITS)
    filled = np.zeros(n_blocks * _UNITS, "<i4")
    filled[: len(values)] = values
    return filled.reshape(n_blocks, _UNITS)


def _array(constant: Constant) -> Array:
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)
