"""int8 CONV_2D and DEPTHWISE_CONV_2D as kernels want them that spare flash.

Parameters are pairs of 16 bits (kernels/common/windows__dsp.h). One constant, `stream`, int32:

    bias, multiplier  int32 (output channels, 2)
    shift             int8 (output channels), to the right
    weights           int8 (output channels, filter_h, filter_w, input channels of a filter)

with zeros behind them up to a whole word. Nothing of the reference's arithmetic is changed, only
the order of what is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.plan.layouts.constants import arrays_of
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Options = Mapping[str, int | str]

_LEAST, _GREATEST = -(2**15), 2**15 - 1  # of a parameter
_PAIRS = (  # after `channels`
    ("output_size", "output_h", "output_w"),
    ("filter_size", "filter_h", "filter_w"),
    ("stride", "stride_h", "stride_w"),
    ("padding", "pad_top", "pad_left"),
)


def pack(call: KernelCall, options: Options) -> KernelCall:
    """The call with parameters in pairs and all constants in one. Raises NotPackable."""
    del options
    fields: dict[str, Any] = dict(call.parameters)
    given = arrays_of(call)
    is_depthwise = call.op == "depthwise_conv_2d"
    weights = given["weights"]
    if is_depthwise:
        weights = weights[0].transpose(2, 0, 1)[..., None]
    bias, multiplier, right = given["bias"], given["multiplier"], -given["shift"]
    if ((right < (multiplier > 0)) | (right > 31)).any():
        msg = "a channel's scale is 1/2 or more, and the kernel only shifts right"
        raise NotPackable(msg)
    sums = sum_range(weights.reshape(len(bias), -1), bias, fields["input_zero_point"])
    if not sums.fits_after(np.ones_like(right)):
        msg = "its sums need more than 31 bits"
        raise NotPackable(msg)
    content = np.stack([bias, multiplier], axis=1).astype("<i4").tobytes()
    content += right.astype(np.int8).tobytes() + np.ascontiguousarray(weights).tobytes()
    content += bytes(-len(content) % 4)
    parameters = (
        ("input_size", _pair(fields["input_h"], fields["input_w"])),
        ("channels", _pair(fields["input_channels"], len(bias))),
        *((name, _pair(fields[one], fields[other])) for name, one, other in _PAIRS),
        ("depth", _pair(weights.shape[-1], fields["input_channels"] if is_depthwise else 1)),
        ("zero_points", _pair(fields["input_zero_point"], fields["output_zero_point"])),
    )
    stream = constant_of("stream", np.frombuffer(content, "<i4"))
    return replace(call, parameters=parameters, constants=(stream,))


def unpack(packed: KernelCall, options: Options) -> dict[str, npt.NDArray[Any]]:
    """All four constants as they were."""
    del options
    fields = {name: _parts(int(value)) for name, value in packed.parameters}
    n_channels = fields["channels"][1]
    content = packed.constants[0].data
    scales = np.frombuffer(content, "<i4", 2 * n_channels).reshape(n_channels, 2)
    right = np.frombuffer(content, np.int8, n_channels, 8 * n_channels)
    shape = (n_channels, *fields["filter_size"], fields["depth"][0])
    weights = np.frombuffer(content, np.int8, int(np.prod(shape)), 9 * n_channels).reshape(shape)
    if packed.op == "depthwise_conv_2d":
        weights = weights[..., 0].transpose(1, 2, 0)[None]
    return {
        "weights": weights,
        "bias": scales[:, 0],
        "multiplier": scales[:, 1],
        "shift": -right.astype(np.int32),
    }


def _pair(low: int, high: int) -> int:
    """Two numbers of 16 bits in one of 32.

    >>> _pair(-1, 2), _pair(3, -1)
    (196607, -65533)
    """
    for value in (low, high):
        if not _LEAST <= value <= _GREATEST:
            msg = f"{value} does not fit 16 bits"
            raise NotPackable(msg)
    return (low & 0xFFFF) + (high << 16)


def _parts(pair: int) -> tuple[int, int]:
    low = pair & 0xFFFF
    return low - (low >> 15 << 16), pair >> 16
