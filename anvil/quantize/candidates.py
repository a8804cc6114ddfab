"""Candidates as actions: one quantization of a float32 .tflite file each.

    action = quantize_action("int8", model=..., calibration=..., worker=...)
    content = performed.files[OUTPUT]

Each runs in a process of its own, since a quantizer that gives up takes its process along,
and the other candidates go on. LiteRT carries the quantizer: TensorFlow is not needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anvil.core.action import Action, FileNode, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.digest import Digest
    from anvil.core.tensor import Tensor

LITERT_VERSION = "2.3.0"  # as pinned in pyproject.toml
OUTPUT = "candidate.bin"
LOG = "log.txt"
FLOAT32 = "float32"
MIXED = "mixed"
# The order in which they are listed and measured; `float32` is the model as it is.
NAMES = (FLOAT32, "float16", "int8", "int16x8")

FEW_SAMPLES = 8  # fewer say little about the range of a tensor
N_RANDOM_SAMPLES = 64

_FORMAT = 1
_PROGRAM = "anvil/quantize/workers/quantize_worker.py"
_TIMEOUT_S = 3600
_NEEDS_CALIBRATION = ("int8", "int16x8", MIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedStep:
    """The int8 model with some operators in float32."""

    float_ops: tuple[int, ...]  # their indices in the float32 file
    signal_to_noise_db: float | None  # at the outputs; None where nothing differs
    content: bytes  # the .tflite file


def needs_calibration(name: str) -> bool:
    """Whether the candidate depends on representative inputs."""
    return name in _NEEDS_CALIBRATION


def quantize_action(
    name: str,
    *,
    model: Digest,
    worker: Tree,
    calibration: Digest | None = None,
    int8: Digest | None = None,
) -> Action:
    """The action that makes the candidate `name` of the float32 file `model`.

    `calibration` is what `encode_samples` gave, for those that need it; `int8` is the int8
    candidate, for `mixed`. Its one result is OUTPUT. Where it fails, the last line of its
    log is the reason (see `anvil.quantize.failure`).
    """
    files = [*worker.files, FileNode(path="float32.tflite", digest=model)]
    if calibration is not None:
        files.append(FileNode(path="calibration.bin", digest=calibration))
    if int8 is not None:
        files.append(FileNode(path="int8.tflite", digest=int8))
    return Action(
        kind="quantize",
        # -I: neither the user's own packages nor PYTHON* variables take part.
        argv=("{python}", "-I", _PROGRAM, name, OUTPUT),
        environment=(),
        inputs=Tree(files=tuple(sorted(files))),
        tools=(("ai-edge-litert", LITERT_VERSION),),
        outputs=(OUTPUT, LOG),
        timeout_s=_TIMEOUT_S,
    )


def encode_samples(arrays: Sequence[npt.NDArray[Any]], ports: Sequence[Tensor]) -> bytes:
    """The action's calibration file: raw little-endian tensors, samples back to back.

    `arrays` has one array per input, N x the shape of an inference, with or without its batch
    of 1.
    Raises ValueError where the counts differ.
    """
    if len(arrays) != len(ports) or len({len(array) for array in arrays}) != 1:
        counts = [len(array) for array in arrays]
        msg = f"{len(ports)} inputs take {len(ports)} arrays of one length, found {counts}"
        raise ValueError(msg)
    columns = [
        np.ascontiguousarray(array, np.dtype(port.dtype.value).newbyteorder("<"))
        for array, port in zip(arrays, ports, strict=True)
    ]
    return b"".join(column[n].tobytes() for n in range(len(columns[0])) for column in columns)


def decode_steps(content: bytes) -> tuple[MixedStep, ...]:
    """What the action of `mixed` gave: each step with more operators in float32.

    Raises ValueError where it is no such file: a worker of this version writes no other.
    """
    line, _, body = content.partition(b"\n")
    header = json.loads(line)
    if header["format"] != _FORMAT:
        msg = f"the quantizer's output has format {header['format']}, expected {_FORMAT}"
        raise ValueError(msg)
    steps, offset = [], 0
    for row in header["steps"]:
        steps.append(
            MixedStep(
                float_ops=tuple(row["float_ops"]),
                signal_to_noise_db=row["signal_to_noise_db"],
                content=body[offset : offset + row["n_bytes"]],
            )
        )
        offset += row["n_bytes"]
    if offset != len(body):
        msg = f"the quantizer's output holds {len(body)} bytes of files, expected {offset}"
        raise ValueError(msg)
    return tuple(steps)
