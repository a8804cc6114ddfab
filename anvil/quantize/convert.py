"""Conversion as an action: a Keras model or SavedModel becomes a float32 .tflite file.

    action = convert_action(model_format, model=tree, worker=tree, allow_unsafe=False)
    content = performed.files[OUTPUT]

TensorFlow runs in the action's process and nowhere else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from anvil.core.action import Action, Tree
from anvil.quantize.formats import ModelFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

TENSORFLOW_VERSION = "2.21.0"  # as pinned in pyproject.toml
TF_KERAS_VERSION = "2.21.0"
OUTPUT = "float32.tflite"
REPORT = "report.json"
LOG = "log.txt"

_FORMAT = 1
_PROGRAM = "anvil/quantize/workers/convert_worker.py"
_TIMEOUT_S = 1800
_PLACES = {
    ModelFormat.KERAS: "model.keras",
    ModelFormat.H5: "model.h5",
    ModelFormat.SAVED_MODEL: "saved_model",
}


def model_files(model_format: ModelFormat, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A model's files where the action wants them; a single file's path is the empty one."""
    place = _PLACES[model_format]
    return {f"{place}/{path}" if path else place: content for path, content in files.items()}


def convert_action(
    model_format: ModelFormat, *, model: Tree, worker: Tree, allow_unsafe: bool
) -> Action:
    """The action that converts what `model_files` placed; its results are OUTPUT and REPORT.

    Where it fails, the last line of its log is the reason (see `anvil.quantize.failure`).
    """
    return Action(
        kind="convert",
        # -I: neither the user's own packages nor PYTHON* variables take part.
        argv=(
            "{python}",
            "-I",
            _PROGRAM,
            *(("--allow-unsafe",) if allow_unsafe else ()),
            model_format.value,
            _PLACES[model_format],
            OUTPUT,
            REPORT,
        ),
        environment=(
            ("CUDA_VISIBLE_DEVICES", "-1"),
            ("KERAS_BACKEND", "tensorflow"),
            ("KERAS_HOME", "{work}"),
            ("OMP_NUM_THREADS", "1"),
            ("TF_CPP_MIN_LOG_LEVEL", "1"),
            # oneDNN picks its kernels, and with them the order of summation, by CPU.
            ("TF_ENABLE_ONEDNN_OPTS", "0"),
            ("TF_NUM_INTEROP_THREADS", "1"),
            ("TF_NUM_INTRAOP_THREADS", "1"),
        ),
        inputs=Tree(files=tuple(sorted((*model.files, *worker.files)))),
        tools=(("tensorflow", TENSORFLOW_VERSION), ("tf_keras", TF_KERAS_VERSION)),
        outputs=(OUTPUT, LOG, REPORT),
        timeout_s=_TIMEOUT_S,
    )


def decode_report(content: bytes) -> tuple[tuple[float, float] | None, ...]:
    """What each input's values seem to lie between; None where the model does not tell.

    Raises ValueError where it is no report: a worker of this version writes no other.
    """
    report = json.loads(content)
    if report["format"] != _FORMAT:
        msg = f"the converter's report has format {report['format']}, expected {_FORMAT}"
        raise ValueError(msg)
    return tuple(None if row is None else (row[0], row[1]) for row in report["input_ranges"])
