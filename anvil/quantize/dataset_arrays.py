"""Arrays in files: .npz and .npy, never pickles."""

from __future__ import annotations

import contextlib
import math
import struct
import tokenize
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

import numpy as np

from anvil.core.diagnostics import AnvilError
from anvil.quantize.dataset import RawData, check_bytes, data_error, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anvil.core.target import DataFiles
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Array, Source

_MAX_MEMBERS = 10_000
_N_NAMES, _LONGEST_NAME = 12, 60  # in a message
_HEADER_ERRORS = (ValueError, TypeError, SyntaxError, KeyError, OverflowError, tokenize.TokenError)
_SAVE = "write it with numpy.savez(FILE, x=X, y=Y)"
# What TensorFlow puts around an input's name.
_PREFIX, _SUFFIX = "serving_default_", ":0"


def read_npz(source: Source, files: DataFiles, ports: Sequence[Tensor]) -> RawData:
    """The arrays of an .npz file under the keys of `files`.

    Raises AnvilError (exit 2): a damaged file, a missing key, an array of objects.
    """
    with _explained(source.file), source.open() as file, zipfile.ZipFile(file) as archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()[:_MAX_MEMBERS]
            if info.filename.endswith(".npy")
        }

        def array(key: str) -> Array:
            with archive.open(members[key]) as stream:
                return read_stream(stream, f"{source.file}: array {key!r}")

        return keyed(array, list(members), files, ports, source.file)


def keyed(
    array: Callable[[str], Array],
    names: Sequence[str],
    files: DataFiles,
    ports: Sequence[Tensor],
    file: str,
) -> RawData:
    """The arrays called `names` that `files` says are inputs and labels."""
    keys = input_keys(files, ports, names, file)
    missing = [key for key in keys if key not in names]
    if missing:
        raise data_error(
            file,
            "missing-key",
            f"it has no array {', '.join(map(repr, missing))}; it has "
            + (", ".join(repr(name[:_LONGEST_NAME]) for name in sorted(names)[:_N_NAMES]) or "none")
            + (", ..." if len(names) > _N_NAMES else ""),
            "name its arrays under data.keys in anvil.yaml, such as `keys: {x: specs, y: labels}`",
        )
    inputs = tuple(array(key) for key in keys)
    check_bytes(file, sum(values.nbytes for values in inputs))
    labels = array(files.key_y) if files.key_y in names else None
    return RawData(inputs=inputs, labels=labels)


def input_keys(
    files: DataFiles, ports: Sequence[Tensor], names: Sequence[str], file: str
) -> list[str]:
    """The key of each input, in the model's order."""
    known = [port.name for port in ports]
    if files.keys_by_input:
        by_name: Mapping[str, str] = dict(files.keys_by_input)
        chosen = [
            next((by_name[n] for n in _spellings(name) if n in by_name), None) for name in known
        ]
        spelt = {spelling for name in known for spelling in _spellings(name)}
        unknown = [name for name in by_name if name not in spelt]
        if unknown or None in chosen:
            problem = (
                f"names the input {unknown[0]!r}"
                if unknown
                else f"leaves out the input {known[chosen.index(None)]!r}"
            )
            raise data_error(
                file,
                "keys",
                f"data.keys.x {problem}; the model's inputs are {', '.join(map(repr, known))}",
                "name each input of the model once",
            )
        return [key for key in chosen if key is not None]
    if files.keys_x:
        if len(files.keys_x) != len(ports):
            raise data_error(
                file,
                "keys",
                f"data.keys.x names {len(files.keys_x)} arrays, and the model has {len(ports)} "
                f"inputs: {', '.join(map(repr, known))}",
                "name one array per input, in the model's order",
            )
        return list(files.keys_x)
    if len(ports) == 1:
        return ["x"]
    return [next((n for n in _spellings(name) if n in names), name) for name in known]


def _spellings(name: str) -> tuple[str, ...]:
    """An input's name as the model has it, and without what TensorFlow puts around it."""
    return (name, name.removeprefix(_PREFIX).removesuffix(_SUFFIX))


def read_npy(source: Source) -> Array:
    """The array of an .npy file. Raises AnvilError (exit 2)."""
    with _explained(source.file), source.open() as file:
        return read_stream(file, source.file)


def read_stream(stream: IO[bytes], label: str) -> Array:
    """One array in NumPy's format, its size known before it is read.

    Raises AnvilError, or what the stream raises for a damaged archive.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(stream)
        else:  # the later one is for names of fields that are not ASCII
            raise data_error(label, "dtype", "it holds records, not numbers", _SAVE)
    except _HEADER_ERRORS as error:
        message = f"it is no array of NumPy's: {reason_of(error)}"
        raise data_error(label, "damaged", message, _SAVE) from None
    if dtype.hasobject:
        raise data_error(
            label,
            "pickle",
            "it holds Python objects, which Anvil never unpickles: they can run code",
            "store an array of numbers: samples of different sizes have to be brought to one",
        )
    if any(extent < 0 for extent in shape):
        raise data_error(label, "damaged", f"its header says shape {shape}", _SAVE)
    n_bytes = math.prod(shape) * dtype.itemsize
    check_bytes(label, n_bytes)
    content = stream.read(n_bytes)
    # Reading past the end has an archive's checksum looked at.
    if len(content) != n_bytes or stream.read(1):
        raise data_error(
            label,
            "damaged",
            f"its header says {n_bytes} bytes of values, and it "
            + (f"has {len(content)}" if len(content) < n_bytes else "goes on after them"),
            "it may be cut off: copy it again, or " + _SAVE,
        )
    array: Array = np.frombuffer(content, dtype=dtype).reshape(
        shape, order="F" if is_fortran else "C"
    )
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


@contextlib.contextmanager
def _explained(file: str) -> Iterator[None]:
    try:
        yield
    except AnvilError:
        raise
    except zipfile.BadZipFile as error:
        message = f"it is no whole .npz archive: {reason_of(error)}"
    # What zipfile raises beside its own error for offsets, names and sizes that cannot be.
    except (zlib.error, EOFError, struct.error, OSError, OverflowError, ValueError) as error:
        message = f"it is damaged: {reason_of(error)}"
    except NotImplementedError as error:
        message = f"it is compressed in a way that NumPy does not use: {reason_of(error)}"
    except RuntimeError as error:  # an encrypted member
        message = f"it cannot be read: {reason_of(error)}"
    else:
        return
    raise data_error(file, "damaged", message, "copy it again, or " + _SAVE)
