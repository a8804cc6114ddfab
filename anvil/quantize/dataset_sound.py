"""Recordings as samples, for models that take sound itself: .wav files of PCM."""

from __future__ import annotations

import math
import wave
from typing import TYPE_CHECKING

import numpy as np

from anvil.quantize.dataset import check_bytes, data_error, reason_of, sample_shape

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Array, Source

SOUND_SCALE = (-1.0, 1.0)


def read_wav(source: Source, port: Tensor) -> Array:
    """N x sample_shape(port): a recording in consecutive pieces of the input's length.

    int16, or float32 from -1 to 1 where 24 or 32 bits do not fit it; 8-bit samples become
    int16 of the same loudness. What is left at the end, shorter than a piece, is not used.
    Several channels are the input's last axis. Raises AnvilError (exit 2).
    """
    wanted = sample_shape(port)
    try:
        with source.open() as file, wave.open(file, "rb") as recording:
            n_channels, width = recording.getnchannels(), recording.getsampwidth()
            n_frames = recording.getnframes()
            check_bytes(source.file, n_frames * n_channels * max(width, 4))
            content = recording.readframes(n_frames)
    except (wave.Error, EOFError, RuntimeError) as error:
        raise data_error(
            source.file,
            "damaged",
            f"it is no .wav file of PCM: {reason_of(error)}",
            "save it as 16-bit PCM",
        ) from None
    if n_channels > 1 and (len(wanted) < 2 or wanted[-1] != n_channels):
        raise data_error(
            source.file,
            "shape",
            f"it has {n_channels} channels, and input {port.name!r} takes "
            + " x ".join(map(str, wanted)),
            "mix it to one channel",
        )
    if len(content) != n_frames * n_channels * width:
        message = f"its header says {n_frames} frames, and it has fewer"
        raise data_error(source.file, "damaged", message, "it may be cut off: copy it again")
    n_pieces, _ = divmod(n_frames * n_channels, math.prod(wanted))
    if n_pieces == 0:
        raise data_error(
            source.file,
            "shape",
            f"it has {n_frames} frames, and one inference takes {math.prod(wanted) // n_channels}",
            "pad it as your training code does, or give a longer recording",
        )
    values = _values(content, width)
    return values[: n_pieces * math.prod(wanted)].reshape(n_pieces, *wanted)


def _values(content: bytes, width: int) -> Array:
    match width:
        case 1:  # unsigned, unlike all others
            return (np.frombuffer(content, np.uint8).astype(np.int16) - 128) * np.int16(256)
        case 2:
            return np.frombuffer(content, "<i2")
        case 3:
            bytes_of = np.zeros((len(content) // 3, 4), np.uint8)
            bytes_of[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            whole = bytes_of.view("<i4")[:, 0]
        case _:
            whole = np.frombuffer(content, "<i4")
    return (whole / 2.0**31).astype(np.float32)
