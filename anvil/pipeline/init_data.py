"""Data files beside a model, recognized by the shapes of their arrays."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.starter import StarterData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from anvil.importers.outline import Outline, Shape

_MAX_ARRAYS = 64
_MAX_LABEL_BYTES = 64 * 1024**2
_CALIBRATION = re.compile(r"calib|represent")
_EVALUATION = re.compile(r"eval|test|valid|holdout")
_MIN_CALIBRATION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An .npz file whose arrays suit the model."""

    path: Path
    x: str
    y: str | None
    n_samples: int
    metric: str | None  # what its labels are for; None without labels that suit

    @property
    def role(self) -> str:
        """What the name says that it is for, else what it can be used for."""
        stem = self.path.stem.lower()
        if _CALIBRATION.search(stem):
            return "calibration"
        if _EVALUATION.search(stem):
            return "evaluation"
        return "calibration" if self.y is None else "evaluation"


def find_data(
    outline: Outline, folders: Iterable[Path], model_stem: str, relative: Callable[[Path], str]
) -> StarterData:
    """Calibration and evaluation data for a model of one input.

    folders: where .npz files are looked for; relative: how anvil.yaml names a path. Of several
    that suit, the one that begins like the model comes first, and then the alphabet decides.
    """
    if len(outline.inputs) != 1 or not outline.inputs[0].sample_shape:
        return StarterData(metric=_usual_metric(outline))
    paths = {path.resolve(): path for folder in folders for path in _files(folder)}
    found = [one for path in paths.values() if (one := _look(path, outline)) is not None]
    found.sort(key=lambda one: (not one.path.stem.startswith(model_stem), one.path.name))
    evaluation = next((f for f in found if f.role == "evaluation" and f.metric is not None), None)
    calibration = next(
        (
            f
            for f in found
            if f.role == "calibration" and (evaluation is None or f.x == evaluation.x)
        ),
        None,
    )
    first = evaluation or calibration
    if first is None:
        return StarterData(metric=_usual_metric(outline))
    keys = {"x": first.x} if first.x != "x" else {}
    labelled = evaluation or calibration
    if labelled is not None and labelled.y not in {None, "y"}:
        keys["y"] = labelled.y or ""
    return StarterData(
        calibration=None if calibration is None else relative(calibration.path),
        calibration_note=_note(calibration),
        evaluation=None if evaluation is None else relative(evaluation.path),
        evaluation_note=_note(evaluation),
        keys=keys,
        metric=evaluation.metric if evaluation is not None else _usual_metric(outline),
    )


def _note(one: _Found | None) -> str:
    if one is None:
        return ""
    return f"{one.n_samples:,} samples" + ("" if one.y is None else ", with labels")


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob("*.npz") if path.is_file())
    except OSError:
        return []


def _look(path: Path, outline: Outline) -> _Found | None:
    """The file's arrays by their headers alone; the labels are read, too."""
    import numpy as np

    shapes = _shapes(path)
    wanted = outline.inputs[0].sample_shape
    suiting = [key for key, (shape, kind) in shapes.items() if kind in "fiu" and _is(shape, wanted)]
    x = "x" if "x" in suiting else suiting[0] if len(suiting) == 1 else None
    if x is None:
        return None
    n_samples = shapes[x][0][0]
    if n_samples < _MIN_CALIBRATION:
        return None
    others = [
        key
        for key, (shape, kind) in shapes.items()
        if key != x and kind in "biuf" and shape and shape[0] == n_samples
    ]
    y = "y" if "y" in others else others[0] if len(others) == 1 else None
    labels = None
    if y is not None:
        try:
            with np.load(path, allow_pickle=False) as data:
                # A header may promise more than memory holds.
                n_bytes = data.zip.getinfo(f"{y}.npy").file_size
                labels = data[y] if n_bytes <= _MAX_LABEL_BYTES else None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
    return _Found(path=path, x=x, y=y, n_samples=n_samples, metric=guess_metric(outline, labels))


def _shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Key -> (shape, NumPy's kind of dtype); empty for what is no .npz file of NumPy's."""
    from numpy.lib import format as npy

    found: dict[str, tuple[tuple[int, ...], str]] = {}
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist()[:_MAX_ARRAYS]:
                if not entry.filename.endswith(".npy"):
                    continue
                with archive.open(entry) as file:
                    shape, _, dtype = readers[npy.read_magic(file)](file)
                found[entry.filename.removesuffix(".npy")] = (shape, dtype.kind)
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile):
        return {}
    return found


def _is(shape: Sequence[int], sample: Shape) -> bool:
    """Whether an array holds samples of this shape, behind one leading axis."""
    return len(shape) == len(sample) + 1 and all(
        wanted is None or extent == wanted for extent, wanted in zip(shape[1:], sample, strict=True)
    )


def guess_metric(outline: Outline, labels: npt.NDArray[Any] | None) -> str | None:
    """The metric that a model's output and its labels suggest; None where none suits."""
    import numpy as np

    if len(outline.outputs) > 1 or len(outline.inputs) != 1:
        return None
    output = outline.outputs[0].sample_shape if outline.outputs else None
    is_autoencoder = output == outline.inputs[0].sample_shape and output is not None
    if labels is None:
        return "mse" if is_autoencoder else None
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        return None
    flat = labels.reshape(len(labels), -1)
    values = set(np.unique(flat).tolist()) if flat.size < 1 << 24 else set()
    is_binary = flat.shape[1] == 1 and values == {0, 1}
    if is_autoencoder:
        same = output is not None and _is(labels.shape, output)
        return "mse" if same else "auc:reconstruction" if is_binary else None
    n_outputs = None if output is None or None in output else _product(output)
    if n_outputs == 1:
        return "auc" if is_binary else "mse" if flat.shape[1] == 1 else None
    is_whole = flat.shape[1] == 1 and bool((flat == np.trunc(flat)).all())
    one_hot = flat.shape[1] == n_outputs and values <= {0, 1} and bool((flat.sum(1) == 1).all())
    in_range = n_outputs is None or (flat.min() >= 0 and flat.max() < n_outputs)
    if (is_whole and in_range) or one_hot:
        return "top1"
    return "mse" if n_outputs is not None and flat.shape[1] == n_outputs else None


def _product(shape: Shape) -> int:
    product = 1
    for extent in shape:
        product *= extent or 0
    return product


def _usual_metric(outline: Outline) -> str | None:
    """What a model of this form is mostly judged by."""
    if len(outline.outputs) != 1 or len(outline.inputs) != 1:
        return None
    output = outline.outputs[0].sample_shape
    if output == outline.inputs[0].sample_shape:
        return "mse"
    return "auc" if _product(output) == 1 else "top1"
