"""The reference: what LiteRT's reference kernels compute, as an action.

The reference is the truth that every target is compared with. Its results depend on the
model, the inputs, the worker's source and the pinned LiteRT alone, so that one run serves
all targets and all later runs.

    action = reference_action(model=..., inputs=..., worker=digest_of(worker_source()))
    outputs = decode(performed.files[OUTPUTS]).values
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from anvil.core.action import Action, FileNode, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anvil.core.digest import Digest

LITERT_VERSION = "2.3.0"  # as pinned in pyproject.toml
OUTPUTS = "outputs.bin"  # the action's one output

_FORMAT = 1
_INPUTS = "inputs.bin"
_MODEL = "model.tflite"
_WORKER = "litert_worker.py"
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTensor:
    """One tensor that the reference reported."""

    index: int  # in the .tflite file
    op: int | None  # the operator that writes it, by its index; None for the model's outputs
    name: str
    shape: tuple[int, ...]
    dtype: str  # NumPy's name
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceResult:
    """The values of some tensors over several inferences, raw little-endian."""

    tensors: tuple[ReferenceTensor, ...]
    values: tuple[tuple[bytes, ...], ...]  # [inference][tensor], in the order of `tensors`


def worker_source() -> bytes:
    """The program that the action runs; put it into the store like the other inputs."""
    return resources.files("anvil.verify").joinpath(_WORKER).read_bytes()


def encode_inputs(batches: Iterable[Iterable[bytes]]) -> bytes:
    """The action's input file of [inference][input] tensors, raw little-endian."""
    return b"".join(tensor for batch in batches for tensor in batch)


def reference_action(
    *, model: Digest, inputs: Digest, worker: Digest, layers: bool = False
) -> Action:
    """The action that runs the reference kernels over every inference of `inputs`.

    `model` is a .tflite file, `inputs` what `encode_inputs` gave, `worker` what
    `worker_source` gave. With `layers` the values of every operator's outputs come back
    instead of the model's outputs. Where LiteRT refuses the model or crashes on it the
    action fails, and the last line of its log says why.
    """
    return Action(
        kind="reference",
        # -I: neither the user's own packages nor PYTHON* variables take part.
        argv=(
            "{python}",
            "-I",
            _WORKER,
            *(("--layers",) if layers else ()),
            _MODEL,
            _INPUTS,
            OUTPUTS,
        ),
        environment=(),
        inputs=Tree(
            files=(
                FileNode(path=_INPUTS, digest=inputs),
                FileNode(path=_WORKER, digest=worker),
                FileNode(path=_MODEL, digest=model),
            )
        ),
        tools=(("ai-edge-litert", LITERT_VERSION),),
        outputs=(OUTPUTS,),
        timeout_s=_TIMEOUT_S,
    )


def decode(content: bytes) -> ReferenceResult:
    """What the action's output file says.

    Raises ValueError where it is not such a file, whole: a worker of this version writes no
    other.
    """
    line, newline, body = content.partition(b"\n")
    if not newline:
        msg = "the reference's output has no header line"
        raise ValueError(msg)
    header = json.loads(line)
    if header["format"] != _FORMAT:
        msg = f"the reference's output has format {header['format']}, expected {_FORMAT}"
        raise ValueError(msg)
    tensors = tuple(
        ReferenceTensor(
            index=row["index"],
            op=row["op"],
            name=row["name"],
            shape=tuple(row["shape"]),
            dtype=row["dtype"],
            n_bytes=row["n_bytes"],
        )
        for row in header["tensors"]
    )
    n_inferences = header["n_inferences"]
    n_bytes = n_inferences * sum(tensor.n_bytes for tensor in tensors)
    if len(body) != n_bytes:
        msg = f"the reference's output holds {len(body)} bytes of tensors, expected {n_bytes}"
        raise ValueError(msg)
    values = []
    offset = 0
    for _ in range(n_inferences):
        row = []
        for tensor in tensors:
            row.append(body[offset : offset + tensor.n_bytes])
            offset += tensor.n_bytes
        values.append(tuple(row))
    return ReferenceResult(tensors=tensors, values=tuple(values))
