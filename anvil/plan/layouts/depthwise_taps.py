"""Depthwise convolutions along rows for Cortex-M with the DSP extension.

    weights     (channels, filter_h, words), four taps to a word in the order 0 2 1 3, zeros behind
                them so that there is at least one more than filter_w
    rescaling   four words for each channel: bias * 2**8 with the input's zero point folded in and
                what makes the rescaling exact, what is added to a sum below 0, multiplier, addend

An image that is one column is taken as one row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_array, constant_of
from anvil.plan.layouts.offset_rescale import Bits, OffsetRescale, offset_rescale
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import rounded_twice, sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_ORDER = (0, 2, 1, 3)  # and back again
BITS = Bits(left=8, right=12)  # the C kernels have the same


def pack(call: KernelCall, options: Mapping[str, int | str]) -> KernelCall:
    """The call of a `taps` kernel."""
    del options
    fields: dict[str, Any] = dict(call.parameters)
    constants = {constant.name: constant_array(constant) for constant in call.constants}
    weights = by_channel(constants["weights"])
    form, start = rescaling(fields, weights, constants, is_two_sided=True)
    words = np.stack([start, form.below, form.multiplier, form.addend], axis=1)
    if fields["input_w"] == 1 and fields["filter_w"] == 1:
        fields |= {
            f"{name}_{one}": fields[f"{name}_{other}"]
            for name in ("input", "output", "filter")
            for one, other in (("h", "w"), ("w", "h"))
        }
        fields |= {"stride_h": 1, "pad_left": fields["pad_top"], "pad_top": 0}
        weights = weights.transpose(0, 2, 1)
    return replace(
        call,
        parameters=tuple((name, fields[name]) for name in _FIELDS),
        constants=(
            constant_of("weights", _words(weights)),
            constant_of("rescaling", words.astype(np.int32)),
        ),
    )


def unpack(packed: KernelCall, options: Mapping[str, int | str]) -> dict[str, Array]:
    """The weights as they were; bias and rescaling are in one sum, whose outputs are proved.

    Those of an image of one column come as one row.
    """
    del options
    words = constant_array(packed.constants[0])
    fields = dict(packed.parameters)
    taps = words.view(np.int8).reshape(-1, 4)[:, _ORDER].reshape(*words.shape[:2], -1)
    weights = taps[:, :, : int(fields["filter_w"])]
    return {"weights": np.ascontiguousarray(weights.transpose(1, 2, 0))[None]}


def _words(weights: Array) -> Array:
    """int8 taps (channels, filter_h, filter_w) as words of four in the kernel's order."""
    n_channels, filter_h, filter_w = weights.shape
    # A window that begins at an odd column reads half a word more.
    n_words = (filter_w // 2 + 2) // 2
    taps = np.zeros((n_channels, filter_h, 4 * n_words), np.int8)
    taps[:, :, :filter_w] = weights
    ordered = np.ascontiguousarray(taps.reshape(-1, 4)[:, _ORDER])
    return ordered.view("<i4").reshape(n_channels, filter_h, n_words)


def by_channel(weights: Array) -> Array:
    """(1, filter_h, filter_w, channels) -> (channels, filter_h, filter_w)."""
    found: Array = weights[0].transpose(2, 0, 1)
    return found


def rescaling(
    fields: Mapping[str, Any],
    weights: Array,
    constants: Mapping[str, Array],
    *,
    is_two_sided: bool,
) -> tuple[OffsetRescale, npt.NDArray[np.int32]]:
    """The proved form, and where a kernel's sums of inputs with their zero point begin.

    weights: (channels, filter_h, filter_w). Raises NotPackable.
    """
    flat = weights.reshape(len(weights), -1)
    bias, multiplier, shift = (constants[name] for name in ("bias", "multiplier", "shift"))
    zero_point = fields["input_zero_point"]
    sums = sum_range(flat, bias, zero_point)
    if not (sums.fits_int32 and sums.fits_after(shift)):
        msg = "its sums may wrap around"
        raise NotPackable(msg)
    reference = rounded_twice(
        multiplier,
        shift,
        fields["output_zero_point"],
        fields["output_min"],
        fields["output_max"],
    )
    form = offset_rescale(
        reference,
        sums,
        np.ldexp(multiplier.astype(np.float64), shift - 31),
        zero_point=fields["output_zero_point"],
        bits=BITS,
        is_two_sided=is_two_sided,
    )
    folded = bias.astype(np.int64) - zero_point * flat.astype(np.int64).sum(axis=1)
    # The kernels' additions wrap around, too.
    return form, ((folded << BITS.left) + form.offset).astype(np.int32)


_FIELDS = (
    "batches",
    "input_h",
    "input_w",
    "input_channels",
    "output_h",
    "output_w",
    "filter_h",
    "filter_w",
    "stride_h",
    "pad_top",
    "pad_left",
    "input_zero_point",
)
