"""The first operators of an image model run band by band: less memory for more work.

A stage is a chain of convolutions and pools that starts at the model's input. In bands, each
operator computes only the rows that the next one needs for a few rows of the stage's output,
so that none of the tensors between is ever there as a whole. Rows that two bands share are
computed twice. The bands read slices of the input and write slices of the stage's output;
everything else about a call stays, so that the results are the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.core.graph import Graph, Op
    from anvil.core.plan import KernelCall
    from anvil.core.tensor import Tensor

    Lowered = Sequence[tuple[Op, KernelCall]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Banded:
    """A graph and its calls with a stage in bands."""

    graph: Graph  # with the bands among its tensors
    lowered: tuple[tuple[Op, KernelCall], ...]
    slices: Mapping[int, tuple[int, int]]  # tensor -> (tensor that it is a part of, first byte)


def stages(graph: Graph, lowered: Lowered) -> list[int]:
    """The numbers of operators, 2 or more, that a stage from the model's input can have."""
    n_ops = 0
    tensor = graph.inputs[0] if len(graph.inputs) == 1 else -1
    for op, call in lowered:
        fields = dict(call.parameters)
        uses = sum(other.inputs.count(tensor) for other in graph.ops)
        is_alone = uses == 1 and tensor not in graph.outputs
        if not is_alone or call.inputs != (tensor,) or op.inputs[0] != tensor:
            break
        if "pad_top" not in fields or fields["batches"] != 1 or len(call.outputs) != 1:
            break
        n_ops += 1
        tensor = call.outputs[0]
    return list(range(2, n_ops + 1))


def in_bands(graph: Graph, lowered: Lowered, n_ops: int, n_bands: int) -> Banded | None:
    """The first `n_ops` operators in `n_bands` bands; None where the output has fewer rows."""
    chain = lowered[:n_ops]
    n_rows = int(dict(chain[-1][1].parameters)["output_h"])
    if not 2 <= n_bands <= n_rows:
        return None
    tensors = list(graph.tensors)
    slices: dict[int, tuple[int, int]] = {}
    calls: list[tuple[Op, KernelCall]] = []

    def rows_of(index: int, first: int, end: int, *, is_slice: bool) -> int:
        whole = graph.tensors[index]
        tensors.append(_rows(whole, first, end))
        if is_slice:
            slices[len(tensors) - 1] = (index, first * (whole.n_bytes // whole.shape[1]))
        return len(tensors) - 1

    for band in range(n_bands):
        first, end = band * n_rows // n_bands, (band + 1) * n_rows // n_bands
        written = rows_of(chain[-1][1].outputs[0], first, end, is_slice=True)
        backwards: list[tuple[Op, KernelCall]] = []
        for number in reversed(range(n_ops)):
            op, call = chain[number]
            fields = dict(call.parameters)
            origin = first * int(fields["stride_h"]) - int(fields["pad_top"])
            reach = (int(fields["filter_h"]) - 1) * int(fields.get("dilation_h", 1)) + 1
            last = (end - 1) * int(fields["stride_h"]) - int(fields["pad_top"])
            top = max(0, min(origin, int(fields["input_h"]) - 1))
            bottom = max(top + 1, min(last + reach, int(fields["input_h"])))
            read = rows_of(call.inputs[0], top, bottom, is_slice=number == 0)
            changed = {
                "input_h": bottom - top,
                "output_h": end - first,
                "pad_top": top - origin,
            }
            macs_per_row = call.n_macs // int(fields["output_h"])
            banded = replace(
                call,
                parameters=tuple((f, changed.get(f, value)) for f, value in call.parameters),
                inputs=(read,),
                outputs=(written,),
                n_macs=macs_per_row * (end - first),
            )
            backwards.append((op, banded))
            first, end, written = top, bottom, read
        calls += reversed(backwards)
    return Banded(
        graph=replace(graph, tensors=tuple(tensors)),
        lowered=(*calls, *lowered[n_ops:]),
        slices=slices,
    )


def _rows(tensor: Tensor, first: int, end: int) -> Tensor:
    batches, _, width, channels = tensor.shape
    return replace(
        tensor,
        name=f"{tensor.name} rows {first} to {end - 1}",
        shape=(batches, end - first, width, channels),
    )
