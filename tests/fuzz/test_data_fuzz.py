"""Damaged data files: the readers give arrays or an AnvilError, whatever the bytes.

The campaign is the same on every run. ANVIL_FUZZ_CASES makes it longer; a failure names its
seed, with which `damaged(kind, seed)` makes the same bytes again.
"""

from __future__ import annotations

import functools
import io
import os
import random
import wave
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest

from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.target import DataFiles
from anvil.quantize.dataset import Source
from anvil.quantize.dataset_folder import FolderSource
from anvil.quantize.dataset_read import DataRequest, read_data
from tests.fuzz.mutation import mutated
from tests.support.data_projects import port

if TYPE_CHECKING:
    from anvil.quantize.dataset import Dataset

N_CASES = int(os.environ.get("ANVIL_FUZZ_CASES", "1500"))
ROWS = np.arange(18, dtype=np.float32).reshape(3, 6) / 7
PORT = port(1, 2, 3, 1)
KINDS = ("npz", "npz_deflated", "npy", "csv", "wav", "png", "jpg", "bmp")


@functools.cache
def sound(kind: str) -> bytes:
    """A small file of a kind as it should be."""
    buffer = io.BytesIO()
    images = ROWS.reshape(3, 2, 3, 1)
    if kind == "npz":
        np.savez(buffer, x=images, y=[0, 1, 0])
    elif kind == "npz_deflated":
        np.savez_compressed(buffer, x=images, y=[0, 1, 0])
    elif kind == "npy":
        np.save(buffer, images)
    elif kind == "csv":
        lines = [",".join(map(str, [*row.tolist(), 1])) for row in ROWS]
        return "\n".join(["a,b,c,d,e,f,y", *lines]).encode()
    elif kind == "wav":
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(np.arange(12, dtype="<i2").tobytes())
    else:
        pixels = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
        name = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP"}[kind]
        PIL.Image.fromarray(pixels).save(buffer, name)
    return buffer.getvalue()


def damaged(kind: str, seed: int) -> bytes:
    return mutated(sound(kind), [sound(kind), sound("npz")], random.Random(seed))


def outcome(kind: str, content: bytes) -> str:
    """`read`, or the code of what is said; any exception but AnvilError fails the test."""
    suffix = kind.partition("_")[0]
    source: Source | FolderSource = Source(
        file=f"d.{suffix}", open=functools.partial(io.BytesIO, content)
    )
    if suffix in {"png", "jpg", "bmp"}:
        assert isinstance(source, Source)
        source = FolderSource(file="f", files=((f"d.{suffix}", source),), folders=())
    request = DataRequest(source=source, files=DataFiles(), sha256="")
    try:
        dataset = read_data(request, (PORT,))
    except AnvilError as error:
        refusal = error
    else:
        return checked(dataset)
    assert refusal.exit_code is ExitCode.BAD_INPUT
    assert all(0 < len(d.message) < 1000 and d.hint for d in refusal.diagnostics)
    return refusal.diagnostics[0].code


def checked(dataset: Dataset) -> str:
    (values,) = dataset.inputs
    assert values.dtype == np.float32
    assert values.shape[1:] == (2, 3, 1)
    assert np.isfinite(values).all()
    assert dataset.labels is None or len(dataset.labels) == len(values)
    return "read"


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(kind: str) -> None:
    assert outcome(kind, sound(kind)) == "read"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_explained(kind: str) -> None:
    outcomes = set()
    for seed in range(N_CASES):
        try:
            outcomes.add(outcome(kind, damaged(kind, seed)))
        except Exception as error:  # noqa: BLE001  the seed is what is needed to see it again
            pytest.fail(f"{kind}, seed {seed}: {type(error).__name__}: {error}")
    assert len(outcomes) >= 2, outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_read_or_explained(kind: str) -> None:
    content = sound(kind)
    for length in range(len(content)):
        outcome(kind, content[:length])
