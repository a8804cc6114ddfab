"""How the sums of byte_blocks and byte_columns are rescaled, and what that adds to biases.

`rescale`, int32 (blocks, rows, channels of a block), has by its form (kernels/common/
channel_blocks__avx2.h has the same numbers):

    FUSED            scale and what is added, both float32; see fused_rescale
    FUSED_SYMMETRIC  the same, and the sums to be lifted by
    WIDE             multiplier, uint32; rounding, int64, of the even channels and then of the odd
                     ones; shift; see wide_rescale
    WIDE_AWAY        the same
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of, numpy_dtype
from anvil.plan.layouts.fused_rescale import (
    MAGIC,
    FusedRescale,
    Reference,
    fused_rescale,
    lifted_of,
)
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import rounded_once, rounded_twice, scales_of, sum_range
from anvil.plan.layouts.wide_rescale import (
    SIGN,
    Scales,
    WideRescale,
    rounding_once,
    rounding_twice,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import Constant, KernelCall
    from anvil.plan.layouts.rescaling import Int64Array, SumRange

    Array = npt.NDArray[Any]

_UNSIGNED = 128  # what is added to activations
_MOST_OF_A_PAIR = 128  # the most by which 255 * |w0| + 255 * |w1| fits 16 bits


class Form(IntEnum):
    """How sums are rescaled."""

    FUSED = 0
    FUSED_SYMMETRIC = 1
    WIDE = 2
    WIDE_AWAY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRescale:
    """The form, and the constants bias and rescale."""

    form: Form
    constants: tuple[Constant, ...]


def byte_rescale(call: KernelCall, flat: Array, size: int) -> ByteRescale:
    """What rescales the sums of `flat` weights (channels, products), in blocks of `size`.

    The cheapest form that is right. Raises NotPackable where none is.
    """
    given = {constant.name: array_of_constant(constant) for constant in call.constants}
    fields = {name: int(value) for name, value in call.parameters}
    bias = given["bias"]
    sums = sum_range(flat, bias, fields.get("input_zero_point", 0))
    is_once = call.op == "fully_connected"
    goes_below = fields["output_min"] < fields["output_zero_point"]
    try:
        fused = fused_rescale(_reference(given, sums, fields))
    except NotPackable:
        wide = _wide(given, sums, fields)
        form = Form.WIDE_AWAY if goes_below and not is_once else Form.WIDE
        added, rows = np.array(SIGN, np.int64), _wide_rows(wide, size)
    else:
        form = Form.FUSED_SYMMETRIC if goes_below and not is_once else Form.FUSED
        added = fused.lifted * (form is Form.FUSED)
        rows = _fused_rows(fused, form, fields["output_zero_point"], size)
    biases = bias.astype(np.int64) + added - _offset(fields, flat)
    packed = np.ascontiguousarray(np.stack(rows, axis=1))
    return ByteRescale(
        form=form,
        constants=(
            constant_of("bias", _filled(biases.astype(np.int32), size)),
            constant_of("rescale", packed),
        ),
    )


def original_bias(packed: KernelCall, flat: Array) -> Array:
    """The biases that `byte_rescale` was given."""
    fields = {name: int(value) for name, value in packed.parameters}
    given = {constant.name: array_of_constant(constant) for constant in packed.constants}
    form = Form(fields["form"])
    added = np.array(SIGN if form in {Form.WIDE, Form.WIDE_AWAY} else 0, np.int64)
    if form is Form.FUSED:
        scale, addend = (given["rescale"][:, k].reshape(-1).view(np.float32) for k in range(2))
        whole = MAGIC + fields["output_zero_point"] - addend[: len(flat)].astype(np.int64)
        added = lifted_of(scale[: len(flat)], whole, _most(packed.op))
    biases = given["bias"][: len(flat)].astype(np.int64) - added + _offset(fields, flat)
    original: Array = biases.astype(np.int32)
    return original


def rescale_arrays(packed: KernelCall, n_channels: int) -> dict[str, Array]:
    """Multiplier and shift where the form keeps them."""
    if dict(packed.parameters)["form"] not in {Form.WIDE, Form.WIDE_AWAY}:
        return {}
    rescale = array_of_constant(packed.constants[2])
    multiplier, shift = (rescale[:, k].reshape(-1)[:n_channels] for k in (0, 3))
    return {"multiplier": (multiplier.view(np.uint32) // 2).astype(np.int32), "shift": -shift}


def fits_pairs(steps: Array) -> int:
    """1 where vpmaddubsw cannot saturate, whatever the unsigned activations; else 0.

    steps: int8 (..., products of a step), an even number of them.
    """
    pairs = np.abs(steps.astype(np.int64)).reshape(*steps.shape[:-1], -1, 2).sum(axis=-1)
    return int(pairs.max(initial=0) <= _MOST_OF_A_PAIR)


def array_of_constant(constant: Constant) -> Array:
    """The array of a kernel call's constant."""
    return np.frombuffer(constant.data, numpy_dtype(constant.dtype)).reshape(constant.shape)


def _reference(given: Mapping[str, Array], sums: SumRange, fields: Mapping[str, int]) -> Reference:
    zero_point = fields["output_zero_point"]
    least, greatest = fields["output_min"], fields["output_max"]
    n_channels = len(given["bias"])
    multiplier, shift = (np.broadcast_to(given[n], n_channels) for n in ("multiplier", "shift"))
    if "multiplier_low" in given:
        low = np.broadcast_to(given["multiplier_low"], n_channels)
        scales = scales_of(multiplier, low, shift)
        return Reference(
            staircase=rounded_once(scales, zero_point, least, greatest),
            sums=sums,
            scales=scales,
            most=_most("fully_connected"),
            zero_point=zero_point,
            least=least,
            greatest=greatest,
            is_symmetric=False,
        )
    if (shift > -1).any() or not sums.fits_int32:
        msg = "a channel is not shifted right"
        raise NotPackable(msg)
    scales = np.ldexp(multiplier.astype(np.float64), shift.astype(np.int64) - 31)
    return Reference(
        staircase=rounded_twice(multiplier, shift, zero_point, least, greatest),
        sums=sums,
        scales=scales,
        most=_most("conv_2d"),
        zero_point=zero_point,
        least=least,
        greatest=greatest,
        is_symmetric=least < zero_point,
    )


def _most(op: str) -> float:
    # Rounding once needs a fraction near 0; twice one of half a unit of the first rounding,
    # which is from 1/2 sum up to 1.
    return 0.5 if op == "fully_connected" else 1.25


def _wide(given: Mapping[str, Array], sums: SumRange, fields: Mapping[str, int]) -> WideRescale:
    if "multiplier_low" not in given:
        return rounding_twice(given["multiplier"], given["shift"], sums)
    n_channels = len(given["bias"])
    names = ("multiplier", "multiplier_low", "shift")
    scales = Scales(**{name: np.broadcast_to(given[name], n_channels) for name in names})
    bounds = (fields["output_zero_point"], fields["output_min"], fields["output_max"])
    return rounding_once(scales, sums, *bounds)


def _fused_rows(fused: FusedRescale, form: Form, zero_point: int, size: int) -> list[Array]:
    moved = MAGIC - fused.whole + (zero_point if form is Form.FUSED else 0)
    rows = [fused.scale.view(np.int32), moved.astype(np.float32).view(np.int32)]
    if form is Form.FUSED_SYMMETRIC:
        rows.append(fused.lifted.astype(np.int32))
    return [_filled(row, size).reshape(-1, size) for row in rows]


def _wide_rows(wide: WideRescale, size: int) -> list[Array]:
    rounding = _filled(wide.rounding, size).reshape(-1, size // 2, 2).transpose(0, 2, 1)
    even_then_odd = np.ascontiguousarray(rounding).view(np.int32).reshape(-1, 2, size)
    multiplier = _filled(wide.multiplier.astype(np.uint32).view(np.int32), size)
    shift = _filled(wide.shift, size)
    return [
        multiplier.reshape(-1, size),
        even_then_odd[:, 0],
        even_then_odd[:, 1],
        shift.reshape(-1, size),
    ]


def _offset(fields: Mapping[str, int], flat: Array) -> Int64Array:
    """What unsigned activations add to sums, the input's zero point taken off."""
    values = fields.get("input_zero_point", 0) + _UNSIGNED
    offset: Int64Array = values * flat.astype(np.int64).sum(axis=1)
    return offset


def _filled(values: Array, size: int) -> Array:
    """`values` with zeros up to a multiple of `size`."""
    longer = np.zeros(-(-len(values) // size) * size, values.dtype)
    longer[: len(values)] = values
    return longer
