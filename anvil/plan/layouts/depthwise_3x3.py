"""Depthwise 3x3 convolutions for Cortex-M with the DSP extension: five words for each channel.

    three rows of weights, int8, each with a byte behind it: what this channel's addend is more
    than the layer's, 0, 0
    bias * 2**8, the input's zero point folded in, and what makes the rescaling exact
    multiplier

Taps outside of the image read the input's zero point, so that one bias holds everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.plan import KernelCall
from anvil.ops.arrays import constant_array, constant_of
from anvil.plan.layouts.depthwise_taps import BITS, by_channel, rescaling
from anvil.plan.layouts.offset_rescale import usual_addend

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_TAPS = 3
_WORDS = 5
_COLUMNS = {1: 6, 2: 4}  # of outputs in a strip, by stride


def pack(call: KernelCall, options: Mapping[str, int | str]) -> KernelCall:
    """The call of a 3x3 kernel.

    options: `whole_bytes`, the planes up to which an image with stride 1 is one block; otherwise
    `rows1` and `rows2`, the rows of a block with stride 1 and 2.
    """
    fields: dict[str, Any] = dict(call.parameters)
    constants = {constant.name: constant_array(constant) for constant in call.constants}
    weights = by_channel(constants["weights"])
    form, start = rescaling(fields, weights, constants, is_two_sided=False)
    words = np.zeros((len(weights), _WORDS), np.int32)
    rows = np.zeros((len(weights), _TAPS, 4), np.int8)
    rows[:, :, :_TAPS] = weights
    addend = usual_addend(fields["output_zero_point"], BITS)
    rows[:, 0, _TAPS] = form.addend - addend
    words[:, :_TAPS] = rows.view("<i4")[:, :, 0]
    words[:, 3] = start
    words[:, 4] = form.multiplier
    block_rows, block_columns = _blocks(fields, options)
    return replace(
        call,
        parameters=(
            *((name, fields[name]) for name in _FIELDS),
            ("stride", fields["stride_h"]),
            ("pad_top", fields["pad_top"]),
            ("pad_left", fields["pad_left"]),
            ("input_zero_point", fields["input_zero_point"]),
            ("addend", addend),
            ("block_rows", block_rows),
            ("block_columns", block_columns),
        ),
        constants=(constant_of("channels", words),),
    )


def unpack(packed: KernelCall, options: Mapping[str, int | str]) -> dict[str, Array]:
    """The weights as they were; bias and rescaling are in one sum, whose outputs are proved."""
    del options
    words = constant_array(packed.constants[0]).reshape(-1, _WORDS)
    rows = np.ascontiguousarray(words[:, :_TAPS]).view(np.int8).reshape(-1, _TAPS, 4)
    weights = rows[:, :, :_TAPS].reshape(len(words), -1).T
    return {"weights": np.ascontiguousarray(weights).reshape(1, _TAPS, _TAPS, len(words))}


_FIELDS = ("batches", "input_h", "input_w", "input_channels", "output_h", "output_w")


def _blocks(fields: Mapping[str, Any], options: Mapping[str, int | str]) -> tuple[int, int]:
    """The size of a block of outputs; scratch_bytes in kernels.yaml says the same."""
    if fields["stride_h"] == 2:
        return int(options["rows2"]), _COLUMNS[2]
    n_strips = -(-fields["output_w"] // _COLUMNS[1])
    if 64 * n_strips * (fields["output_h"] + 2) <= int(options["whole_bytes"]):
        return fields["output_h"], n_strips * _COLUMNS[1]
    return int(options["rows1"]), _COLUMNS[1]
