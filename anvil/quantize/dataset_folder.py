"""Folders of samples: one file each, classes as sub-folders; and folders of whole arrays.

train/0_cat/a.png train/0_cat/b.png train/1_dog/c.png     three samples, labels 0 0 1
train/a.npy train/b.npy                                   two samples without labels
train/x.npy train/y.npy                                   as an .npz file with x and y
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.diagnostics import AnvilError, Diagnostic
from anvil.quantize.dataset import MAX_BYTES, RawData, check_bytes, data_error, sample_shape
from anvil.quantize.dataset_arrays import input_keys, keyed, read_npy
from anvil.quantize.dataset_images import IMAGE_SCALE, read_image
from anvil.quantize.dataset_sound import SOUND_SCALE, read_wav

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.target import DataFiles
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Array, Source

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# What people and file managers leave beside data.
_NOT_DATA = (".txt", ".md", ".json", ".yaml", ".yml", ".ini", ".db")
_N_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """A folder of data: `files` and `folders` by relative path with forward slashes, sorted."""

    file: str  # the folder, as messages name it
    files: tuple[tuple[str, Source], ...]
    folders: tuple[str, ...]


def read_folder(source: FolderSource, files: DataFiles, ports: Sequence[Tensor]) -> RawData:
    """The samples of a folder, in the order of their paths. Raises AnvilError (exit 2)."""
    data = [(path, one) for path, one in source.files if not path.lower().endswith(_NOT_DATA)]
    arrays = {path.removesuffix(".npy"): one for path, one in data if path.endswith(".npy")}
    if arrays and any(key in arrays for key in input_keys(files, ports, list(arrays), source.file)):
        return keyed(lambda key: read_npy(arrays[key]), list(arrays), files, ports, source.file)
    if len(ports) != 1:
        raise data_error(
            source.file,
            "format",
            f"the model has {len(ports)} inputs, and this folder holds no .npy file for each",
            "give an .npz file with one array per input",
        )
    if not data:
        raise data_error(
            source.file,
            "empty",
            "this folder holds no data",
            "put .npy files, images (.png, .jpg, .bmp) or .wav files into it",
        )
    kind = _kind(source, data)
    labels = _labels(source, data)
    check_bytes(source.file, len(data) * ports[0].n_elements * 4)
    wrong: list[Diagnostic] = []
    samples: list[Array] = []
    counts: list[int] = []
    n_bytes = 0
    for _, one in data:
        try:
            sample = _READERS[kind](one, ports[0])
        except AnvilError as error:
            wrong += error.diagnostics
            if len(wrong) >= _N_SHOWN:
                break
            continue
        n_bytes += sample.nbytes
        if n_bytes > MAX_BYTES:
            check_bytes(source.file, n_bytes)
        samples.append(sample)
        counts.append(len(sample))
    if wrong:
        raise AnvilError(*wrong)
    dtypes = sorted({str(sample.dtype) for sample in samples})
    if len(dtypes) > 1:
        raise data_error(
            source.file,
            "dtype",
            f"its files hold {' and '.join(dtypes)}",
            "store all samples in one type: a scale could not fit several",
        )
    return RawData(
        inputs=(np.concatenate(samples),),
        labels=None if labels is None else np.repeat(labels, counts),
        scale=_SCALES[kind],
    )


def _npy_sample(source: Source, port: Tensor) -> Array:
    """One sample, or several along a first axis; with that axis."""
    array = read_npy(source)
    wanted = sample_shape(port)
    if array.shape in {wanted, port.shape}:
        return array.reshape(1, *wanted)
    if array.shape[1:] == wanted and array.ndim:
        return array
    form = " x ".join(map(str, wanted)) or "a single number"
    raise data_error(
        source.file,
        "shape",
        f"it has the shape {array.shape}, and one sample of input {port.name!r} is {form}",
        f"every file of the folder holds {form}, or N such samples",
    )


_READERS = {"npy": _npy_sample, "image": read_image, "wav": read_wav}
_SCALES = {"npy": None, "image": IMAGE_SCALE, "wav": SOUND_SCALE}


def _kind(source: FolderSource, data: Sequence[tuple[str, Source]]) -> str:
    """What all files are; raises where they differ or one is nothing that can be read."""
    by_kind: dict[str | None, str] = {}
    for path, _ in data:
        suffix = posixpath.splitext(path)[1].lower()
        kind = {".npy": "npy", ".wav": "wav"}.get(suffix)
        by_kind.setdefault("image" if suffix in IMAGE_SUFFIXES else kind, path)
    if None in by_kind:
        raise data_error(
            source.file,
            "format",
            f"it holds {by_kind[None]}, and files of a folder are .npy, .png, .jpg, .bmp or .wav",
            "convert it, or take it out of the folder",
        )
    if len(by_kind) > 1:
        raise data_error(
            source.file,
            "format",
            f"it holds files of several kinds, such as {' and '.join(map(str, by_kind.values()))}",
            "a folder holds files of one kind",
        )
    return str(next(iter(by_kind)))


def _labels(source: FolderSource, data: Sequence[tuple[str, Source]]) -> Array | None:
    """The number of each file's sub-folder among all of them, by name; None without any."""
    depths = {path.count("/") for path, _ in data}
    if depths == {0}:
        return None
    if depths != {1}:
        deep = max(path for path, _ in data if path.count("/") == max(depths))
        raise data_error(
            source.file,
            "format",
            f"some of its files lie deeper than others, such as {deep}",
            "every sample lies in the folder itself, or in one sub-folder per class",
        )
    classes = {name: n for n, name in enumerate(sorted(f for f in source.folders if "/" not in f))}
    return np.array([classes[path.split("/")[0]] for path, _ in data], np.int64)
