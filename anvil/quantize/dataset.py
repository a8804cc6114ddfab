"""Data for calibration and evaluation, as arrays that fit the model's inputs.

    inputs, labels = fitted(raw, ports, source="data/train.npz", scale=None)

An input is real values in float32, as the float model takes them, or integers where the
model takes integers: either indices, or values that are quantized already, which is what an
array of a quantized input's own type is taken for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.core.tensor import DType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.core.tensor import Tensor

Array = npt.NDArray[Any]

# Twice this may be in memory at once: as the file has it, and as the model takes it.
MAX_BYTES = 2 * 1024**3
# What the lowest and the highest value of an 8-bit or 16-bit integer type become.
Scale = tuple[float, float]
_LONGEST_REASON = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that can be read: the pipeline opens it, the stage says what is wrong with it."""

    file: str  # as messages name it
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Samples, each the inputs of one inference.

    `inputs` has one array per input of the model, in its order, N x `sample_shape(port)`:
    float32 real values, or integers (see the module's description). `labels` is N or
    N x anything, float or integer, as the file has it; None where it has none. `sha256`
    covers the files' contents and how they are read.
    """

    inputs: tuple[Array, ...]
    labels: Array | None
    sha256: str
    file: str  # for messages

    @property
    def n_samples(self) -> int:
        """How many there are: at least 1."""
        return len(self.inputs[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawData:
    """What a reader found, in the model's order of inputs, not yet checked against it."""

    inputs: tuple[Array, ...]
    labels: Array | None
    scale: Scale | None = None  # the format's own, where anvil.yaml names none


def sample_shape(port: Tensor) -> tuple[int, ...]:
    """The shape of one sample of an input or output: without a batch of 1."""
    return port.shape[1:] if port.shape[:1] == (1,) else port.shape


def data_error(file: str, code: str, message: str, hint: str | None = None) -> AnvilError:
    """A mistake in a data file (exit 2); `code` without its prefix."""
    return AnvilError(Diagnostic(code=f"data.{code}", message=message, file=file, hint=hint))


def reason_of(error: Exception) -> str:
    """A library's message on one line, no longer than people read; it may quote the file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."


def check_bytes(file: str, n_bytes: int) -> None:
    """Raise where data of this size is not worth starting to read."""
    if n_bytes > MAX_BYTES:
        raise data_error(
            file,
            "too-large",
            f"it holds {n_bytes} bytes of values, and at most {MAX_BYTES} are read",
            "some hundred samples are enough to calibrate, some thousand to evaluate",
        )


def fitted(
    raw: RawData, ports: Sequence[Tensor], *, file: str, scale: Scale | None
) -> tuple[tuple[Array, ...], Array | None]:
    """The inputs as the model takes them, and the labels, all checked.

    Raises AnvilError (exit 2) with everything that is wrong.
    """
    wrong: list[Diagnostic] = []
    inputs = []
    for port, array in zip(ports, raw.inputs, strict=True):
        try:
            inputs.append(_fitted_input(array, port, file=file, scale=scale, own=raw.scale))
        except AnvilError as error:
            wrong.extend(error.diagnostics)
    counts = sorted({len(array) for array in inputs})
    if len(counts) > 1:
        wrong += data_error(
            file,
            "sample-count",
            f"its inputs hold {' and '.join(map(str, counts))} samples",
            "every input holds the same samples, in the same order",
        ).diagnostics
    if raw.labels is not None:
        wrong += _label_mistakes(raw.labels, counts[0] if len(counts) == 1 else None, file)
    if wrong:
        raise AnvilError(*wrong)
    return tuple(inputs), raw.labels


def _label_mistakes(labels: Array, n_samples: int | None, file: str) -> tuple[Diagnostic, ...]:
    if labels.dtype.kind not in "iufb":
        return data_error(
            file,
            "label-dtype",
            f"its labels have the type {labels.dtype}",
            "labels are numbers: the number of the class, counted from 0, or what to compare with",
        ).diagnostics
    if labels.ndim == 0 or (n_samples is not None and len(labels) != n_samples):
        found = "one label" if labels.ndim == 0 else f"{len(labels)} labels"
        samples = "one of each sample" if n_samples is None else f"{n_samples} samples"
        return data_error(
            file,
            "label-count",
            f"it holds {found} for {samples}",
            "labels are one entry per sample along the first axis",
        ).diagnostics
    n_bad = int(np.count_nonzero(~np.isfinite(labels)))
    if n_bad:
        return data_error(
            file,
            "not-finite",
            f"its labels hold NaN or infinite values: {n_bad}",
            "take these samples out, or mend them",
        ).diagnostics
    return ()


def _fitted_input(
    array: Array, port: Tensor, *, file: str, scale: Scale | None, own: Scale | None
) -> Array:
    """One input, N x sample_shape(port)."""
    if array.dtype.kind not in "iufb":
        raise data_error(
            file,
            "dtype",
            f"the values of input {port.name!r} have the type {array.dtype}",
            "store numbers: real ones as float32",
        )
    array = _in_shape(array, port, file)
    check_bytes(file, array.size * 4)
    if array.dtype.kind == "f":
        _check_finite(array, port, file)
    if port.dtype.value.startswith("float"):
        return _real(array, port, file=file, scale=scale, own=own)
    if port.quantization is not None and not port.quantization.is_per_channel:
        if array.dtype == np.dtype(port.dtype.value) and scale is None and own is None:
            return np.ascontiguousarray(array)
        return _real(array, port, file=file, scale=scale, own=own)
    return _whole(array, port, file=file, scale=scale)


def _in_shape(array: Array, port: Tensor, file: str) -> Array:
    wanted = sample_shape(port)
    if array.shape[1:] == port.shape:  # the batch of 1 is there for each sample
        array = array.reshape(len(array), *wanted)
    if array.shape[1:] != wanted or array.ndim == 0:
        n_elements = math.prod(wanted)
        form = " x ".join(map(str, ("N", *wanted)))
        hint = f"give an array of {form}"
        if array.ndim and array.shape[1:] and math.prod(array.shape[1:]) == n_elements:
            hint += ", such as X.reshape" + str((-1, *wanted))
        elif array.shape in {wanted, port.shape}:
            hint += ": one sample is X[None]"
        raise data_error(
            file,
            "shape",
            f"the values of input {port.name!r} have the shape {array.shape}, and the model "
            f"takes {form}",
            hint,
        )
    if len(array) == 0:
        raise data_error(
            file, "empty", f"input {port.name!r} has no sample", "give at least one sample"
        )
    return array


def _check_finite(array: Array, port: Tensor, file: str) -> None:
    # A block at a time: the mask of everything would be a quarter of the data.
    block = max(1, (1 << 22) // max(1, array[0].size))
    n_bad, first = 0, None
    for start in range(0, len(array), block):
        rows = (~np.isfinite(array[start : start + block])).reshape(
            len(array[start : start + block]), -1
        )
        found = rows.any(axis=1)
        if found.any():
            first = start + int(found.argmax()) if first is None else first
            n_bad += int(rows.sum())
    if n_bad:
        raise data_error(
            file,
            "not-finite",
            f"input {port.name!r} holds NaN or infinite values: {n_bad}, "
            f"the first in sample {first}",
            "take these samples out, or mend them",
        )


def _real(
    array: Array, port: Tensor, *, file: str, scale: Scale | None, own: Scale | None
) -> Array:
    """Real values in float32, integers mapped as `scale` or the format's `own` one says."""
    kind, n_bytes = array.dtype.kind, array.dtype.itemsize
    is_small = kind in "iu" and n_bytes <= 2
    if scale is not None and not is_small:
        raise data_error(
            file,
            "contradiction",
            f"data.scale is given, and the values of input {port.name!r} are {array.dtype}",
            "it maps 8-bit and 16-bit integers: take it away, or store such integers",
        )
    asked = own if scale is None else scale
    if asked is None or not is_small:
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(array, dtype=np.float32)
        if kind == "f" and n_bytes > 4 and not np.isfinite(values).all():
            raise data_error(
                file,
                "not-finite",
                f"values of input {port.name!r} are beyond the range of float32",
                "take these samples out, or scale them",
            )
        return values
    low, high = asked
    values = array.astype(np.float32)
    # Dividing first gives what training code that says x / 255 saw, to the last bit.
    if kind == "u":
        values /= np.float32(2 ** (8 * n_bytes) - 1)
        if asked != (0.0, 1.0):
            values = values * np.float32(high - low) + np.float32(low)
        return values
    values /= np.float32(2 ** (8 * n_bytes - 1))
    if asked != (-1.0, 1.0):
        values = values * np.float32((high - low) / 2) + np.float32((high + low) / 2)
    return values


def _whole(array: Array, port: Tensor, *, file: str, scale: Scale | None) -> Array:
    """Integers (indices, flags) for an input that has no scale of its own."""
    if scale is not None:
        raise data_error(
            file,
            "contradiction",
            f"data.scale is given, and input {port.name!r} takes whole numbers",
            "take it away",
        )
    hint = f"store it as {port.dtype.value}"
    if array.dtype.kind == "f":
        n_bad = int(np.count_nonzero(array != np.trunc(array)))
        if n_bad:
            raise data_error(
                file,
                "dtype",
                f"input {port.name!r} takes whole numbers, and {n_bad} values are none",
                hint,
            )
    low, high = (0, 1) if port.dtype is DType.BOOL else _limits(np.dtype(port.dtype.value))
    least, greatest = array.min(), array.max()
    if least < low or greatest > high:
        raise data_error(
            file,
            "dtype",
            f"input {port.name!r} takes {low} to {high}, and the values go from {least} "
            f"to {greatest}",
            hint,
        )
    return np.ascontiguousarray(array, dtype=np.dtype(port.dtype.value))


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)
