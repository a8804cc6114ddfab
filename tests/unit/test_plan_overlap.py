"""Distances, against kernels' loops run step by step in Python."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.core.plan import Constant, KernelCall
from anvil.core.tensor import DType, Tensor
from anvil.plan.overlap import smallest_distances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    # What a step reads of the input, and the element that it then writes.
    Trace = Iterator[tuple[Sequence[int], int]]

DTYPES = (DType.INT8, DType.INT16, DType.FLOAT32)


def brute_force(trace: Trace, source: Tensor, output: Tensor) -> int:
    """The smallest distance from which on no write hits an element that is read later."""
    reads, writes = zip(*trace, strict=True)
    size, written = source.dtype.n_bytes, output.dtype.n_bytes
    needed = -source.n_bytes
    for step, element in enumerate(writes):
        later = {e for elements in reads[step + 1 :] for e in elements}
        if later:
            needed = max(needed, (element + 1) * written - min(later) * size)
    return needed


def call_of(fields: Mapping[str, int], *tables: tuple[str, Sequence[Sequence[int]]]) -> KernelCall:
    return KernelCall(
        op="x",
        dtype="int8",
        parameters=tuple(fields.items()),
        inputs=(0,),
        constants=tuple(
            Constant(
                name=name,
                dtype=DType.INT32,
                shape=(len(rows), len(rows[0])),
                data=np.array(rows, "<i4").tobytes(),
            )
            for name, rows in tables
        ),
        outputs=(1,),
        n_macs=0,
    )


def check(
    traversal: str, call: KernelCall, trace: Trace, sizes: tuple[int, int], seed: int
) -> None:
    """sizes: elements of the input and of the output."""
    rng = random.Random(seed)
    n_read, n_written = sizes
    source = Tensor(name="x", shape=(n_read,), dtype=rng.choice(DTYPES))
    output = Tensor(name="y", shape=(n_written,), dtype=rng.choice(DTYPES))
    expected = brute_force(trace, source, output)
    assert smallest_distances(traversal, call, (source, output)) == {0: expected}


def windows(fields: Mapping[str, int], pixel: int, groups: Sequence[tuple[int, int]]) -> Trace:
    """groups: for each output channel the first input channel that it reads, and how many."""
    element = 0
    for batch in range(fields["batches"]):
        for out_y in range(fields["output_h"]):
            for out_x in range(fields["output_w"]):
                for first, n_channels in groups:
                    reads: list[int] = []
                    for tap_y in range(fields["filter_h"]):
                        for tap_x in range(fields["filter_w"]):
                            y = out_y * fields["stride_h"] - fields["pad_top"]
                            x = out_x * fields["stride_w"] - fields["pad_left"]
                            y += tap_y * fields.get("dilation_h", 1)
                            x += tap_x * fields.get("dilation_w", 1)
                            if 0 <= y < fields["input_h"] and 0 <= x < fields["input_w"]:
                                row = batch * fields["input_h"] + y
                                start = (row * fields["input_w"] + x) * pixel + first
                                reads += range(start, start + n_channels)
                    yield reads, element
                    element += 1


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("traversal", ["convolution", "depthwise", "pooling"])
def test_windows(traversal: str, seed: int) -> None:
    rng = random.Random(seed)
    fields = {"batches": rng.randrange(1, 3)}
    for axis, padding in (("h", "pad_top"), ("w", "pad_left")):
        taps, extent = rng.randrange(1, 4), rng.randrange(1, 6)
        dilation = rng.randrange(1, 4) if traversal != "pooling" else 1
        fields |= {
            f"input_{axis}": extent,
            f"filter_{axis}": taps,
            f"stride_{axis}": rng.randrange(1, 4),
            # Windows may lie in the padding altogether.
            padding: rng.randrange((taps - 1) * dilation + 2),
            f"output_{axis}": rng.randrange(1, 5),
        }
        if traversal != "pooling":
            fields[f"dilation_{axis}"] = dilation
    if traversal == "convolution":
        n_groups, reads, writes = (rng.randrange(1, 4) for _ in range(3))
        pixel, channels = n_groups * reads, n_groups * writes
        fields |= {"input_channels": pixel, "output_channels": channels}
        fields |= {"filter_channels": reads, "n_groups": n_groups}
        groups = [(channel // writes * reads, reads) for channel in range(channels)]
    elif traversal == "depthwise":
        pixel, multiplier = rng.randrange(1, 4), rng.randrange(1, 4)
        fields |= {"input_channels": pixel, "depth_multiplier": multiplier}
        groups = [(channel // multiplier, 1) for channel in range(pixel * multiplier)]
    else:
        pixel = rng.randrange(1, 4)
        fields["channels"] = pixel
        groups = [(channel, 1) for channel in range(pixel)]
    n_read = fields["batches"] * fields["input_h"] * fields["input_w"] * pixel
    n_written = fields["batches"] * fields["output_h"] * fields["output_w"] * len(groups)
    check(traversal, call_of(fields), windows(fields, pixel, groups), (n_read, n_written), seed)


def bands(fields: Mapping[str, int]) -> Trace:
    """Each band reads all rows of its windows, and only then writes."""
    row = fields["input_w"] * fields["input_channels"]
    written = 0
    for batch in range(fields["batches"]):
        for top in range(0, fields["output_h"], fields["band_rows"]):
            n_rows = min(fields["band_rows"], fields["output_h"] - top)
            first = top - fields["pad_top"]
            reads: list[int] = []
            for y in range(first, first + n_rows + fields["filter_h"] - 1):
                if 0 <= y < fields["input_h"]:
                    start = (batch * fields["input_h"] + y) * row
                    reads += range(start, start + row)
            for _ in range(n_rows * fields["output_w"] * fields["output_channels"]):
                yield reads, written
                reads = []
                written += 1


@pytest.mark.parametrize("seed", range(60))
def test_row_bands(seed: int) -> None:
    rng = random.Random(seed)
    fields = {
        name: rng.randrange(1, most)
        for name, most in (
            *(("batches", 3), ("band_rows", 4), ("input_h", 8), ("input_w", 4), ("output_w", 4)),
            *(("input_channels", 4), ("output_channels", 4), ("filter_h", 4)),
        )
    }
    fields |= {"stride_h": 1, "pad_top": rng.randrange(fields["filter_h"] + 1)}
    fields["output_h"] = rng.randrange(1, fields["input_h"] + 3)
    n_read = fields["batches"] * fields["input_h"] * fields["input_w"] * fields["input_channels"]
    n_written = fields["batches"] * fields["output_h"] * fields["output_w"]
    sizes = (n_read, n_written * fields["output_channels"])
    check("row_bands", call_of(fields), bands(fields), sizes, seed)


@pytest.mark.parametrize("seed", range(20))
def test_rows(seed: int) -> None:
    rng = random.Random(seed)
    batches, depth, units = (rng.randrange(1, 5) for _ in range(3))
    call = call_of({"batches": batches, "depth": depth, "units": units})
    trace = (
        (range(row * depth, (row + 1) * depth), row * units + unit)
        for row in range(batches)
        for unit in range(units)
    )
    check("rows", call, trace, (batches * depth, batches * units), seed)


@pytest.mark.parametrize("seed", range(20))
def test_elementwise(seed: int) -> None:
    n_elements = random.Random(seed).randrange(1, 9)
    trace = (([element], element) for element in range(n_elements))
    check("elementwise", call_of({}), trace, (n_elements, n_elements), seed)


def nested(loops: Sequence[Sequence[int]]) -> list[int]:
    """The addresses that loops of (extent, stride) visit."""
    addresses = [0]
    for extent, stride in loops:
        addresses = [a + step * stride for a in addresses for step in range(extent)]
    return addresses


def random_loops(rng: random.Random) -> list[list[int]]:
    return [[rng.randrange(1, 4), rng.randrange(5)] for _ in range(rng.randrange(1, 4))]


@pytest.mark.parametrize("seed", range(40))
def test_broadcast(seed: int) -> None:
    loops = random_loops(random.Random(seed))
    read = nested(loops)
    call = call_of({"n_loops": len(loops)}, ("loops", [[e, s, 0] for e, s in loops]))
    trace = (([address], element) for element, address in enumerate(read))
    check("broadcast", call, trace, (max(read) + 1, len(read)), seed)


@pytest.mark.parametrize("seed", range(40))
def test_reduction(seed: int) -> None:
    rng = random.Random(seed)
    outer, inner = random_loops(rng), random_loops(rng)
    starts, summed = nested(outer), nested(inner)
    call = call_of({}, ("output_loops", outer), ("sum_loops", inner))
    trace = (([start + a for a in summed], element) for element, start in enumerate(starts))
    check("reduction", call, trace, (max(starts) + max(summed) + 1, len(starts)), seed)


@pytest.mark.parametrize("seed", range(20))
def test_row_copy(seed: int) -> None:
    rng = random.Random(seed)
    n_rows, elements, offset, gap = (rng.randrange(4) for _ in range(4))
    n_rows, elements = n_rows + 1, elements + 1
    pitch = offset + elements + gap
    call = call_of(
        {
            "n_rows": n_rows,
            "row_elements": elements,
            "output_row_elements": pitch,
            "output_offset": offset,
        }
    )
    trace = (
        ([row * elements + i], row * pitch + offset + i)
        for row in range(n_rows)
        for i in range(elements)
    )
    check("row_copy", call, trace, (n_rows * elements, n_rows * pitch), seed)


def test_without_a_traversal_and_over_constants_nothing_overlaps() -> None:
    source = Tensor(name="x", shape=(4,), dtype=DType.INT8)
    constant = Tensor(name="c", shape=(4,), dtype=DType.INT8, data=bytes(4))
    assert smallest_distances("", call_of({}), (source, source)) == {}
    assert smallest_distances("elementwise", call_of({}), (constant, source)) == {}


def test_elements_of_another_number_lie_apart() -> None:
    source = Tensor(name="x", shape=(1,), dtype=DType.INT8)
    output = Tensor(name="y", shape=(4,), dtype=DType.INT8)
    assert smallest_distances("elementwise", call_of({}), (source, output)) == {}


def test_what_a_traversal_needs_is_told() -> None:
    tensor = Tensor(name="x", shape=(4,), dtype=DType.INT8)
    with pytest.raises(ValueError, match="'rows' needs 'batches'"):
        smallest_distances("rows", call_of({}), (tensor, tensor))
    with pytest.raises(ValueError, match="'row' is no traversal"):
        smallest_distances("row", call_of({}), (tensor, tensor))
