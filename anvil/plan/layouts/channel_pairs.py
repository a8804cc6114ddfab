"""Two weights in one halfword, for the multiply-accumulates of Cortex-M's DSP extension.

A word holds two steps of two channels, each halfword 256 * high + low. SMLAD on the word as it is
adds to 256 * sum(high) + sum(low), and on its low bytes, widened, to sum(low). So no sum of a high
channel may need more than 24 bits, and no halfword may overflow: below a high weight of -128 a low
one must not be negative.

Blocks of CHANNELS output channels follow one another in one stream of int32, `stream`: the first
sums, for each step a word for each pair of channels, and each channel's rescaling
(fixed_rescale.py): {left, multiplier, addend}, or {left, multiplier, addend, below, exponent} where
one exponent and one addend do not do for the whole layer.
The input's zero point is in the first sums. A row of a window is a run of bytes; a step is two of
them, 0 and 2 of four, then 1 and 3, since that is how SXTB16 widens four bytes.

Options: channels (4 or 8), exponent (that the kernel has in its code).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.ops.arrays import constant_of
from anvil.ops.requantize import wrap_int32
from anvil.plan.layouts.fixed_rescale import FixedRescale, fixed_rescale
from anvil.plan.layouts.packing import NotPackable
from anvil.plan.layouts.rescaling import rounded_once, rounded_twice, scales_of, sum_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall

    Array = npt.NDArray[Any]
    Int64Array = npt.NDArray[np.int64]

_HIGH_BITS = 24  # of a high channel's sum, which comes 256 times too large
_MOST_LEFT = 8  # a high channel's sum is shifted right by the rest of these 8 bits
_NONE = -1  # no weight: the step's other value stands alone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """What both operators have, with weights (channels, products)."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    zero_point: int  # of the input, where the bias does not hold it
    run: int  # products that lie side by side in the input
    fills_fours: bool  # whether what is left of a run is four bytes as well


def pack(call: KernelCall, options: Mapping[str, int | str]) -> KernelCall:
    """CONV_2D or FULLY_CONNECTED on int8 as a stream of blocks of paired channels."""
    n_channels, exponent = int(options["channels"]), int(options["exponent"])
    layer = _layer(call)
    rescale = _rescale(call, layer, exponent)
    own_exponents = not (rescale.is_one_sided and (rescale.exponent == exponent).all())
    steps = _steps(layer.weights.shape[1], layer.run, fills_fours=layer.fills_fours)
    words = _words(layer.weights, steps, n_channels)
    starts = layer.bias.astype(np.int64)
    starts -= layer.zero_point * layer.weights.astype(np.int64).sum(axis=1)
    starts = _filled(starts, n_channels)
    starts[1::2] = 256 * starts[1::2] + starts[::2]
    rows = [rescale.left, rescale.multiplier, rescale.addend]
    if own_exponents:
        rows += [rescale.below, rescale.exponent]
    rescaling = np.stack([_filled(row, n_channels) for row in rows], axis=1)
    # A high channel's sum comes 256 times too large.
    rescaling[1::2, 0] = _MOST_LEFT - rescaling[1::2, 0]
    n_blocks = len(starts) // n_channels
    parts = (starts, words, rescaling)
    stream = np.concatenate([part.reshape(n_blocks, -1) for part in parts], axis=1)
    fields = dict(call.parameters)
    added = (("n_steps", len(steps)), ("own_exponents", int(own_exponents)))
    dropped = {"output_zero_point", "output_min", "output_max", "multiplier_stride", "n_groups"}
    dropped.add("filter_channels")
    kept = tuple((name, value) for name, value in fields.items() if name not in dropped)
    return replace(
        call,
        parameters=(*kept, *added),
        constants=(constant_of("stream", wrap_int32(stream)),),
    )


def unpack(packed: KernelCall, options: Mapping[str, int | str]) -> dict[str, Array]:
    """The weights and the bias; of a high channel's bias the low 24 bits.

    Only a channel whose output never changes can have more. How sums are rescaled is not kept but
    proved: multiplier and shift are gone.
    """
    n_block, fields = int(options["channels"]), dict(packed.parameters)
    n_rows = 5 if fields["own_exponents"] else 3
    n_steps = int(fields["n_steps"])
    shape, run, fills_fours = _shape(packed)
    n_words = n_steps * n_block // 2
    stream = np.frombuffer(packed.constants[0].data, np.int32)
    stream = stream.reshape(-1, n_block + n_words + n_rows * n_block)
    words = stream[:, n_block : n_block + n_words].reshape(-1, n_steps, n_block // 2, 1)
    halves = np.ascontiguousarray(words).view(np.int16)
    low = halves.astype(np.int8)
    high = ((halves.astype(np.int32) - low) >> 8).astype(np.int8)
    # (blocks, steps, pairs, values of a step) each
    pairs = np.stack([low, high], axis=3).transpose(0, 2, 3, 1, 4)
    filled = pairs.reshape(stream.shape[0] * n_block, -1)[: shape[0]]
    n_products = int(np.prod(shape[1:]))
    order = _steps(n_products, run, fills_fours=fills_fours).reshape(-1)
    weights = np.zeros((shape[0], n_products), np.int8)
    weights[:, order[order != _NONE]] = filled[:, order != _NONE]
    starts = stream[:, :n_block].reshape(-1).astype(np.int64)
    starts[1::2] = wrap_int32(starts[1::2] - starts[::2]) >> 8
    zero_point = int(fields.get("input_zero_point", 0))
    bias = starts[: shape[0]] + zero_point * weights.astype(np.int64).sum(axis=1)
    return {"weights": weights.reshape(shape), "bias": wrap_int32(bias)}


def _shape(call: KernelCall) -> tuple[tuple[int, ...], int, bool]:
    """The weights' shape, the bytes of a run, and whether runs are filled up to fours."""
    fields = {name: int(value) for name, value in call.parameters}
    if call.op == "fully_connected":
        return (fields["units"], fields["depth"]), fields["depth"], True
    n_inputs, filter_w = fields["input_channels"], fields["filter_w"]
    run = n_inputs * (filter_w if fields["dilation_w"] == 1 else 1)
    return (fields["output_channels"], fields["filter_h"], filter_w, n_inputs), run, False


def _layer(call: KernelCall) -> _Layer:
    fields = {name: int(value) for name, value in call.parameters}
    shape, run, fills_fours = _shape(call)
    arrays = {constant.name: constant.data for constant in call.constants}
    return _Layer(
        weights=np.frombuffer(arrays["weights"], np.int8).reshape(shape[0], -1),
        bias=np.frombuffer(arrays["bias"], np.int32),
        zero_point=fields.get("input_zero_point", 0),
        run=run,
        fills_fours=fills_fours,
    )


def _rescale(call: KernelCall, layer: _Layer, exponent: int) -> FixedRescale:
    """The rescaling of each channel. Raises NotPackable where there is none that is right."""
    fields = dict(call.parameters)
    arrays = {c.name: np.frombuffer(c.data, np.int32) for c in call.constants[1:]}
    multiplier, shift = arrays["multiplier"], arrays["shift"]
    zero_point = int(fields["output_zero_point"])
    sums = sum_range(layer.weights, layer.bias, layer.zero_point)
    if "multiplier_low" in arrays:
        units = len(layer.weights)
        scales = np.broadcast_to(scales_of(multiplier, arrays["multiplier_low"], shift), units)
        reference = rounded_once(scales, zero_point, -128, 127)
        fits = sums.fits_int32
    else:
        scales = np.ldexp(multiplier.astype(np.float64), shift - 31)
        reference = rounded_twice(multiplier, shift, zero_point, -128, 127)
        fits = sums.fits_int32 and sums.fits_after(shift)
    if not fits:
        msg = "its sums may wrap around"
        raise NotPackable(msg)
    bits = np.where(np.arange(len(scales)) % 2, _HIGH_BITS, 32)
    for tried in (exponent, None):
        found = fixed_rescale(
            reference, sums, scales, exponent=tried, most_left=_MOST_LEFT, most_bits=bits
        )
        if found.is_right.all() and (tried is None or found.is_one_sided):
            return found
    channel = int(np.flatnonzero(~found.is_right)[0])
    msg = f"the sums of output channel {channel} have no cheap rescaling"
    raise NotPackable(msg)


def _steps(n_products: int, run: int, *, fills_fours: bool) -> Int64Array:
    """Which two products each step takes: (steps, 2), _NONE where one stands alone."""
    steps: list[tuple[int, int]] = []
    for start in range(0, n_products, run):
        end = start + run
        for four in range(start, end, 4):
            numbers = [k if k < end else _NONE for k in range(four, four + 4)]
            n_left = end - four
            if n_left == 2 and not fills_fours:
                steps.append((numbers[0], numbers[1]))
                continue
            steps.append((numbers[0], numbers[2]))
            if n_left > 1 or fills_fours:
                steps.append((numbers[1], numbers[3]))
    return np.array(steps, np.int64)


def _words(weights: npt.NDArray[np.int8], steps: Int64Array, n_channels: int) -> Int64Array:
    """Weights as words: (blocks, steps, pairs of channels). Raises NotPackable on overflow."""
    wide = np.concatenate([weights.astype(np.int64), np.zeros((len(weights), 1), np.int64)], axis=1)
    filled = np.zeros((-(-len(weights) // n_channels) * n_channels, *steps.shape), np.int64)
    filled[: len(weights)] = wide[:, steps]  # _NONE is the last, a zero
    halves = 256 * filled[1::2] + filled[::2]
    if (halves < -(2**15)).any():
        msg = "a weight of -128 lies above a negative one"
        raise NotPackable(msg)
    words = (halves[..., 0] & 0xFFFF) | (halves[..., 1] << 16)
    by_block = words.reshape(-1, n_channels // 2, len(steps))
    return np.ascontiguousarray(by_block.transpose(0, 2, 1))


def _filled(values: Int64Array, n_channels: int) -> Int64Array:
    """`values` with zeros for the channels that fill up the last block."""
    filled = np.zeros(-(-len(values) // n_channels) * n_channels, np.int64)
    filled[: len(values)] = values
    return filled
