"""A data file or folder of any format, as the samples of a model."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anvil.quantize.dataset import Dataset, RawData, data_error, fitted
from anvil.quantize.dataset_arrays import read_npy, read_npz
from anvil.quantize.dataset_csv import read_csv
from anvil.quantize.dataset_folder import FolderSource, read_folder
from anvil.quantize.dataset_sound import SOUND_SCALE, read_wav

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.target import DataFiles
    from anvil.core.tensor import Tensor
    from anvil.quantize.dataset import Source

_FORMATS = ".npz, .npy, .csv or .wav files, and folders of .npy files, images or .wav files"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """What to read, and the digest of what it holds."""

    source: Source | FolderSource
    files: DataFiles
    sha256: str
    with_labels: bool = True  # calibration needs none, and what they are does not matter


def read_data(request: DataRequest, ports: Sequence[Tensor]) -> Dataset:
    """The samples for a model with the inputs `ports`. Raises AnvilError (exit 2)."""
    source, files = request.source, request.files
    raw = _read(source, files, ports)
    if not request.with_labels:
        raw = replace(raw, labels=None)
    inputs, labels = fitted(raw, ports, file=source.file, scale=files.scale)
    return Dataset(inputs=inputs, labels=labels, sha256=request.sha256, file=source.file)


def _read(source: Source | FolderSource, files: DataFiles, ports: Sequence[Tensor]) -> RawData:
    if isinstance(source, FolderSource):
        return read_folder(source, files, ports)
    suffix = posixpath.splitext(source.file)[1].lower()
    if suffix == ".npz":
        return read_npz(source, files, ports)
    if suffix == ".csv":
        return read_csv(source, files, ports)
    if suffix in {".npy", ".wav"}:
        if len(ports) != 1:
            raise data_error(
                source.file,
                "format",
                f"the model has {len(ports)} inputs, and a {suffix} file holds one",
                "give an .npz file with one array per input",
            )
        if suffix == ".wav":
            return RawData(inputs=(read_wav(source, ports[0]),), labels=None, scale=SOUND_SCALE)
        return RawData(inputs=(read_npy(source),), labels=None)
    found = f"a {suffix} file" if suffix else "a file without a suffix"
    hint = f"Anvil reads {_FORMATS}"
    if suffix in {".pkl", ".pickle", ".joblib", ".pt", ".pth"}:
        hint = "pickles can run code and are never read: save arrays with numpy.savez"
    raise data_error(source.file, "format", f"this is {found}", hint)
