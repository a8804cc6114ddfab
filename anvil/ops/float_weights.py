"""float32 and float16 weights under float32 activations: checks, sums, activations.

Sums are taken in the order of TFLite's reference kernels, one rounding after each product and
each addition, and the bias comes last: C, NumPy and TFLite give the same bits as long as none
of them fuses the two. A NaN comes out as a NaN, of any bits. TFLite bounds outputs without an
activation too, by the largest finite float, so that no infinity comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Activation
from anvil.core.tolerance import Tolerance
from anvil.ops.arrays import array_of, constant_of
from anvil.ops.checks import float32_problems, output_tensor
from anvil.ops.weights import bias_of, weights_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import Constant
    from anvil.ops.windows import Axis

    Float32Array = npt.NDArray[np.float32]

# No difference is known on x86-64. A build of TFLite that fuses multiplications and additions
# leaves out up to half of its roundings.
TOLERANCE = Tolerance(relative=1e-5)

_LARGEST = float(np.finfo(np.float32).max)
_BOUNDS = {
    Activation.NONE: (-_LARGEST, _LARGEST),
    Activation.RELU: (0.0, _LARGEST),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}


def data_problems(op: Op, graph: Graph) -> list[str]:
    """Refuse an input or output that is not float32."""
    return float32_problems("input", graph.tensors[op.inputs[0]]) + float32_problems(
        "output", output_tensor(op, graph)
    )


def output_fields(activation: Activation) -> tuple[tuple[str, float], ...]:
    """The parameters of a kernel that say how a sum becomes an output."""
    least, greatest = _BOUNDS[activation]
    return (("output_min", least), ("output_max", greatest))


def constants(op: Op, graph: Graph, n_channels: int) -> tuple[Constant, ...]:
    """The weights as they are, float32 or float16, and a float32 bias of each channel."""
    return (
        constant_of("weights", array_of(weights_of(op, graph))),
        constant_of("bias", _bias_array(op, graph, n_channels)),
    )


def _bias_array(op: Op, graph: Graph, n_channels: int) -> Float32Array:
    bias = bias_of(op, graph)
    if bias is None:
        return np.zeros(n_channels, dtype=np.float32)
    return array_of(bias).reshape(n_channels).astype(np.float32)


def output(op: Op, graph: Graph, sums: Float32Array, activation: Activation) -> Float32Array:
    """The output of sums, the channels last."""
    least, greatest = _BOUNDS[activation]
    with np.errstate(over="ignore", invalid="ignore"):
        values = sums + _bias_array(op, graph, sums.shape[-1])
    # A NaN fails both comparisons and stays.
    values = np.where(values < np.float32(least), np.float32(least), values)
    return np.where(values > np.float32(greatest), np.float32(greatest), values)


def depth_sums(values: Float32Array, weights: Float32Array) -> Float32Array:
    """Sums of (batches, depth) values with (units, depth) weights, by depth."""
    sums = np.zeros((values.shape[0], weights.shape[0]), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(weights.shape[1]):
            sums += values[:, i, None] * weights[:, i]
    return sums


def convolution_sums(
    images: Float32Array, filters: Float32Array, axes: tuple[Axis, Axis]
) -> Float32Array:
    """Sums over windows of NHWC images with OHWI filters, by row, column and channel."""
    n_filters, _, _, filter_channels = filters.shape
    n_groups = images.shape[3] // filter_channels
    sums = _empty_sums(images, axes, n_filters)
    with np.errstate(over="ignore", invalid="ignore"):
        for y, x, outputs, pixels in _taps(axes):
            tap = images[pixels]
            for channel in range(filter_channels):
                # One channel of each group, for each of the group's filters.
                values = tap[..., channel::filter_channels]
                if n_groups > 1:
                    values = np.repeat(values, n_filters // n_groups, axis=3)
                sums[outputs] += values * filters[:, y, x, channel]
    return sums


def depthwise_sums(
    images: Float32Array, filters: Float32Array, axes: tuple[Axis, Axis]
) -> Float32Array:
    """Sums over windows of NHWC images with 1HWC filters, by row and column."""
    n_channels = filters.shape[3]
    sums = _empty_sums(images, axes, n_channels)
    repeated = np.repeat(images, n_channels // images.shape[3], axis=3)
    with np.errstate(over="ignore", invalid="ignore"):
        for y, x, outputs, pixels in _taps(axes):
            sums[outputs] += repeated[pixels] * filters[0, y, x]
    return sums


def _empty_sums(images: Float32Array, axes: tuple[Axis, Axis], n_channels: int) -> Float32Array:
    vertical, horizontal = axes
    shape = (images.shape[0], vertical.n_windows, horizontal.n_windows, n_channels)
    return np.zeros(shape, dtype=np.float32)


def _taps(axes: tuple[Axis, Axis]) -> list[tuple[int, int, Any, Any]]:
    """Each tap (y, x) with the outputs whose tap lies inside the image, and its pixels there.

    What lies outside must not be added as a zero: zero times an infinite weight is a NaN.
    """
    vertical, horizontal = axes
    taps = []
    for y in range(vertical.n_taps):
        rows, pixel_rows = _inside(vertical, y)
        for x in range(horizontal.n_taps):
            columns, pixel_columns = _inside(horizontal, x)
            outputs = (slice(None), rows, columns)
            taps.append((y, x, outputs, (slice(None), pixel_rows, pixel_columns)))
    return taps


def _inside(axis: Axis, tap: int) -> tuple[slice, slice]:
    offset = tap * axis.dilation - axis.pad_before  # of the first window's tap
    first = max(0, -(offset // axis.stride))
    end = max(first, min(axis.n_windows, (axis.extent - 1 - offset) // axis.stride + 1))
    start = first * axis.stride + offset
    return slice(first, end), slice(start, start + (end - first) * axis.stride, axis.stride)
