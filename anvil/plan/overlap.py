"""How near a kernel's output may lie to an input that it is the last to read.

A kernel's `traversal` in kernels.yaml says in which order it reads and writes. Most
write the output's elements in ascending row-major order, and an element is written after the
last read that it depends on:

    elementwise     element i of the output after element i of each input, of which nothing
                    at or before i is read again; passes over a whole row may come before
    convolution     a pixel's channels one after the other, each reading the pixels of its
                    window and of these the channels of its group
    depthwise       likewise, each reading its one input channel
    channel_planes  a block of output rows after the other, of these a group of columns after the
                    other: of four channels after the other all that their windows read, then all
                    outputs; where one block is the whole image, in place, too
    channel_rows    likewise, a row of outputs being a block, and an image of one column one row
    row_bands       a block of output rows after the other, each once all that its windows read
                    was read
    pooling         a pixel's channels one after the other, windows without dilation
    rows            output row n, element by element, each reading the whole input row n
    rows_of_eights  output row n, 8 elements at a time, each 8 reading the whole input row n
    broadcast       the loops of the constant `loops`, one column of strides for each input
    reduction       one output after the other, each reading the elements that `output_loops`
                    and `sum_loops` name
    row_copy        the input's elements in order, to rows of the output with gaps

No traversal (an empty one) means that the output must lie apart. The parameters have the names
that CONV_2D, DEPTHWISE_CONV_2D, the pools, FULLY_CONNECTED, ADD, MEAN and CONCATENATION give
them; whoever adds a traversal adds its distance here and its proof in
tests/kernels/test_overlap.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from anvil.core.plan import KernelCall
    from anvil.core.tensor import Tensor

    Addresses = npt.NDArray[np.int64]

TRAVERSALS = (
    "elementwise",
    "convolution",
    "depthwise",
    "channel_planes",
    "channel_rows",
    "channel_sweeps",
    "row_bands",
    "pooling",
    "rows",
    "rows_of_eights",
    "broadcast",
    "reduction",
    "row_copy",
)
_FAR = np.iinfo(np.int64).max // 64  # where nothing is read any more; times 8 bytes it still fits


def smallest_distances(
    traversal: str, call: KernelCall, tensors: Sequence[Tensor]
) -> dict[int, int]:
    """Bytes that the output of `call` must start below each input, by the input's tensor.

    A distance is exact: an output that starts nearer overwrites an element that is still to be
    read. It is 0 where the kernel works in place, and negative where the output may even start
    above the input, at most by the input's size. Inputs that are not named must lie apart.

    Raises ValueError where the call lacks what the traversal is defined by.
    """
    if not traversal or len(call.outputs) != 1:
        return {}
    tables = tuple(
        (constant.name, constant.data) for constant in call.constants if "loops" in constant.name
    )
    output = tensors[call.outputs[0]]
    found: dict[int, int] = {}
    apart: set[int] = set()
    for position, index in enumerate(call.inputs):
        source = tensors[index]
        if source.is_constant:
            continue
        try:
            distance = _distance(
                traversal,
                call.parameters,
                tables,
                position,
                (
                    (source.n_elements, source.dtype.n_bytes),
                    (output.n_elements, output.dtype.n_bytes),
                ),
            )
        except KeyError as error:
            msg = f"the traversal {traversal!r} needs {error}, which the call has not"
            raise ValueError(msg) from error
        if distance is None:
            apart.add(index)
        else:
            # An input given twice is read twice, each time in an order of its own.
            found[index] = max(distance, -source.n_bytes, found.get(index, -source.n_bytes))
    return {index: distance for index, distance in found.items() if index not in apart}


def as_walked(lowered: KernelCall, packed: KernelCall) -> KernelCall:
    """A call with its own parameters and those that a layout added, such as sizes of blocks."""
    own = dict(lowered.parameters)
    added = [(name, value) for name, value in packed.parameters if name not in own]
    return replace(lowered, parameters=(*lowered.parameters, *added)) if added else lowered


def in_place_inputs(traversal: str, call: KernelCall, tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """The inputs where the output of `call` may start, though perhaps not a little below."""
    if traversal not in {"channel_planes", "channel_rows", "channel_sweeps"}:
        return ()
    fields: dict[str, Any] = dict(call.parameters)
    (source,) = call.inputs
    rows, columns = _block(traversal, fields)
    is_one_block = rows >= fields["output_h"] and columns >= fields["output_w"]
    # Each channel is written where itself was read, and no image beyond its own.
    fits = fields["output_h"] * fields["output_w"] <= fields["input_h"] * fields["input_w"]
    return (source,) if is_one_block and fits and not tensors[source].is_constant else ()


@cache  # a layer is the same for every target
def _distance(
    traversal: str,
    parameters: tuple[tuple[str, int | float], ...],
    tables: tuple[tuple[str, bytes], ...],
    position: int,
    sizes: tuple[tuple[int, int], tuple[int, int]],  # elements and bytes of each: source, output
) -> int | None:
    fields: dict[str, Any] = dict(parameters)
    loops = {name: np.frombuffer(data, "<i4").astype(np.int64) for name, data in tables}
    (n_read, read_bytes), (n_written, written_bytes) = sizes
    if traversal == "elementwise":
        if n_read != n_written:
            return None
        read = np.arange(n_read)
    elif traversal in {"rows", "rows_of_eights"}:
        at_once = 1 if traversal == "rows" else 8
        ends, read = _rows(fields["batches"], fields["depth"], fields["units"], at_once)
        return _threshold(ends * written_bytes, read * read_bytes)
    elif traversal in {"channel_planes", "channel_rows"}:
        ends, read = _planes(fields, _block(traversal, fields))
        return _threshold(ends * written_bytes, read * read_bytes)
    elif traversal == "channel_sweeps":
        ends, read = _sweeps(fields)
        return _threshold(ends * written_bytes, read * read_bytes)
    elif traversal == "row_bands":
        ends, read = _bands(fields)
        return _threshold(ends * written_bytes, read * read_bytes)
    elif traversal in {"convolution", "depthwise", "pooling"}:
        ends, read = _windows(traversal, fields)
        return _threshold(ends * written_bytes, read * read_bytes)
    elif traversal == "broadcast":
        table = loops["loops"].reshape(fields["n_loops"], -1)
        read = _addresses(table[:, 0], table[:, 1 + position])
    elif traversal == "reduction":
        # Strides are not negative: an output's lowest read is where its sum starts.
        table = loops["output_loops"].reshape(-1, 2)
        read = _addresses(table[:, 0], table[:, 1])
    elif traversal == "row_copy":
        rows = np.arange(fields["n_rows"])[:, None] * fields["output_row_elements"]
        columns = fields["output_offset"] + np.arange(fields["row_elements"])
        written = (rows + columns).reshape(-1)
        ends = written + 1
        return _threshold(ends * written_bytes, _still_to_read(np.arange(ends.size)) * read_bytes)
    else:
        msg = f"{traversal!r} is no traversal; allowed are {', '.join(TRAVERSALS)}"
        raise ValueError(msg)
    ends = np.arange(1, read.size + 1)
    return _threshold(ends * written_bytes, _still_to_read(read) * read_bytes)


def _threshold(ends: Addresses, still_to_read: Addresses) -> int:
    """The greatest lead of the writes' end over the lowest byte still to be read.

    ends, still_to_read: one entry after each write, in bytes from the tensors' starts.
    """
    lead = (ends - still_to_read)[ends > 0]  # before the first write nothing is lost
    return int(lead.max(initial=-_FAR))


def _still_to_read(lowest: Addresses) -> Addresses:
    """The lowest address read after each step; lowest: the lowest one read in each step."""
    after = np.full(lowest.size, _FAR)
    after[:-1] = np.minimum.accumulate(lowest[::-1])[::-1][1:]
    return after


def _addresses(extents: Addresses, strides: Addresses) -> Addresses:
    """The offset of every round of nested loops, outermost first."""
    offsets = np.zeros(1, np.int64)
    for extent, stride in zip(extents, strides, strict=True):
        offsets = (offsets[:, None] + np.arange(extent) * stride).reshape(-1)
    return offsets


def _rows(n_rows: int, depth: int, units: int, at_once: int) -> tuple[Addresses, Addresses]:
    """Before a row's last units all of the row is still to be read, then the next row."""
    row = np.arange(n_rows)
    before = (row * units + (units - 1) // at_once * at_once, row * depth)
    after = ((row + 1) * units, _still_to_read(row * depth))
    ends, read = (np.concatenate(pair) for pair in zip(before, after, strict=True))
    return ends, read


def _windows(traversal: str, fields: Mapping[str, Any]) -> tuple[Addresses, Addresses]:
    """Elements written, and the lowest still to be read, at the moments that can be the worst.

    These are, for each output pixel, before the last channel of its first group and of its last
    one, since both the written end and the lowest read grow evenly with the group, and after the
    pixel; and of its second group, since nothing may be written yet before the first.
    """
    if traversal == "convolution":
        pixel, n_groups = fields["input_channels"], fields["n_groups"]
        group_reads, n_channels = fields["filter_channels"], fields["output_channels"]
    elif traversal == "depthwise":
        pixel = n_groups = fields["input_channels"]
        group_reads, n_channels = 1, fields["input_channels"] * fields["depth_multiplier"]
    else:
        pixel = n_groups = n_channels = fields["channels"]
        group_reads = 1
    group_writes = n_channels // n_groups
    dilations = (fields.get("dilation_h", 1), fields.get("dilation_w", 1))
    rows = _first_taps(fields, "h", "pad_top", dilations[0])
    columns = _first_taps(fields, "w", "pad_left", dilations[1])
    batch = np.arange(fields["batches"]) * fields["input_h"] * fields["input_w"]
    image = rows[:, None] * fields["input_w"] + columns
    window = np.where(
        np.maximum(rows[:, None], columns) >= _FAR,
        _FAR,
        (batch[:, None, None] + image) * pixel,
    ).reshape(-1)
    later = _still_to_read(window)
    start = np.arange(window.size) * n_channels
    ends, read = [start + n_channels], [later]
    for group in {0, min(1, n_groups - 1), n_groups - 1}:
        ends.append(start + (group + 1) * group_writes - 1)
        read.append(np.minimum(window + group * group_reads, later))
    return np.concatenate(ends), np.concatenate(read)


def _block(traversal: str, fields: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of the outputs whose windows are read together."""
    if traversal != "channel_rows":
        return fields["block_rows"], fields["block_columns"]
    if fields["input_w"] == fields["filter_w"] == 1:
        return fields["output_h"], 1
    return 1, fields["output_w"]


def _planes(fields: Mapping[str, Any], block: tuple[int, int]) -> tuple[Addresses, Addresses]:
    """Elements written, and the lowest still to be read, after each four channels of a block."""
    pixel = fields["input_channels"]
    first_rows = _first_taps(fields, "h", "pad_top", 1)
    first_columns = _first_taps(fields, "w", "pad_left", 1)
    rows = np.arange(0, fields["output_h"], block[0])
    columns = np.arange(0, fields["output_w"], block[1])
    channels = np.arange(0, pixel, 4)
    last_row = np.minimum(rows + block[0], fields["output_h"]) - 1
    last_column = np.minimum(columns + block[1], fields["output_w"]) - 1
    batch = np.arange(fields["batches"])[:, None, None, None]
    pixels = (batch * fields["output_h"] + last_row[:, None, None]) * fields["output_w"]
    pixels = pixels + last_column[:, None]
    ends = pixels * pixel + np.minimum(channels + 4, pixel)
    top = np.minimum.reduceat(first_rows, rows)[:, None, None]
    left = np.minimum.reduceat(first_columns, columns)[:, None]
    first = (batch * fields["input_h"] + top) * fields["input_w"] + left
    read = np.where(np.maximum(top, left) >= _FAR, _FAR, first * pixel + channels)
    return ends.reshape(-1), _still_to_read(read.reshape(-1))


def _sweeps(fields: Mapping[str, Any]) -> tuple[Addresses, Addresses]:
    """As `_planes` with 16 channels, and of a block some rows at a time, from above.

    What a step reads and the next one wants again is kept. No part of rows or columns is 1: the
    last one may be one more.
    """
    pixel, stride = fields["input_channels"], fields["stride_h"]
    kept = max(fields["filter_h"] - stride, 0)
    ends, read = [], []
    for batch in range(fields["batches"]):
        for top, bottom in _parts(0, fields["output_h"], fields["block_rows"]):
            for left, right in _parts(0, fields["output_w"], fields["block_columns"]):
                column = max(left * fields["stride_w"] - fields["pad_left"], 0)
                for channel in range(0, pixel, 16):
                    for first, end in _parts(top, bottom, fields["rows"]):
                        row = first * stride - fields["pad_top"] + (kept if first > top else 0)
                        row = max(row, 0)
                        is_inside = row < fields["input_h"] and column < fields["input_w"]
                        source = (batch * fields["input_h"] + row) * fields["input_w"] + column
                        read.append(source * pixel + channel if is_inside else _FAR)
                        last = (batch * fields["output_h"] + end - 1) * fields["output_w"] + right
                        ends.append((last - 1) * pixel + min(channel + 16, pixel))
    return np.array(ends), _still_to_read(np.array(read))


def _bands(fields: Mapping[str, Any]) -> tuple[Addresses, Addresses]:
    """Elements written, and the lowest still to be read, after each band: whole rows are read."""
    tops = np.arange(0, fields["output_h"], fields["band_rows"])
    ends = np.minimum(tops + fields["band_rows"], fields["output_h"])
    first = np.minimum.reduceat(_first_taps(fields, "h", "pad_top", 1), tops)
    batch = np.arange(fields["batches"])[:, None]
    written = (batch * fields["output_h"] + ends) * fields["output_w"] * fields["output_channels"]
    rows = (batch * fields["input_h"] + first) * fields["input_w"] * fields["input_channels"]
    read = np.where(first >= _FAR, _FAR, rows)
    return written.reshape(-1), _still_to_read(read.reshape(-1))


def _parts(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        end = stop if stop - start <= size + 1 else start + size
        yield start, end
        start = end


def _first_taps(fields: Mapping[str, Any], axis: str, padding: str, dilation: int) -> Addresses:
    """The first pixel inside the image of every window along one axis; _FAR where it has none."""
    origin = np.arange(fields[f"output_{axis}"]) * fields[f"stride_{axis}"] - fields[padding]
    skipped = np.maximum(0, -(origin // dilation))  # taps before the image, rounded up
    first = origin + skipped * dilation
    outside = (skipped >= fields[f"filter_{axis}"]) | (first >= fields[f"input_{axis}"])
    return np.where(outside, _FAR, first)
