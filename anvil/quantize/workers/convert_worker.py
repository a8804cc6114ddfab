"""A program of its own: turns a Keras model or a SavedModel into a float32 .tflite file.

    python convert_worker.py [--allow-unsafe] keras|h5|saved_model MODEL OUTPUT REPORT

The batch becomes 1. REPORT becomes JSON: `{"format": 1, "input_ranges": [[low, high] | null]}`,
what each input's values seem to lie between, where the model's own statistics tell.

A Keras configuration is inspected before anything is loaded, and a SavedModel's operators
are; what would run code of the file's author is refused.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from anvil.quantize.keras_safety import inspect_config
from anvil.quantize.workers.supervised_worker import RefusalError, run_supervised

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT = 1
_UNSAFE_HINT = (
    "replace those layers by built-in ones, or, if you trust its author, pass --allow-unsafe-model"
)
_SAVE_AGAIN = "the file is damaged or was cut short: copy it or save it again"
# Operators of a SavedModel that run Python, or touch files and processes.
_UNSAFE_OPS = {
    "DebugIdentityV2", "EagerPyFunc", "LoadLibrary", "MatchingFiles", "PyFunc", "PyFuncStateless",
    "ReadFile", "WriteFile", "WriteSummary", "XlaHostCompute",
}  # fmt: skip
_CONTROL_FLOW = {"IF": 118, "WHILE": 119, "CALL_ONCE": 129}
_VARIABLES = {"VAR_HANDLE": 142, "READ_VARIABLE": 143, "ASSIGN_VARIABLE": 144}
_CUSTOM = 32
# The ranges that people scale inputs to; the first that fits a model's statistics best is taken.
_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-128.0, 127.0), (-3.0, 3.0), (-30.0, 30.0))


def work(argv: Sequence[str]) -> None:
    """The worker's job. Raises RefusalError where the model cannot be converted."""
    parser = argparse.ArgumentParser(prog="convert_worker")
    parser.add_argument("--allow-unsafe", action="store_true")
    parser.add_argument("kind")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("report", type=Path)
    options = parser.parse_args(argv)
    ranges: list[list[float] | None] | None = None
    if options.kind == "saved_model":
        function, keeper = _saved_model(options.model, allow_unsafe=options.allow_unsafe)
    else:
        model, keras = _keras_model(options.model, options.kind, allow_unsafe=options.allow_unsafe)
        # Given a model of Keras 3 the converter would leave its weights as variables.
        function, keeper = _keras_function(model), model if keras.__name__ == "tf_keras" else None
        ranges = _input_ranges(model, keras)
    content = _convert(function, keeper)
    _check(content)
    options.output.write_bytes(content)
    n_inputs = len(function.structured_input_signature[0]) + len(
        function.structured_input_signature[1]
    )
    report = {"format": _FORMAT, "input_ranges": ranges or [None] * n_inputs}
    options.report.write_text(json.dumps(report), encoding="utf-8")


# Keras.


def _keras_model(path: Path, kind: str, *, allow_unsafe: bool) -> tuple[Any, Any]:
    """The model, and the package that loaded it: Keras 3 or tf_keras."""
    is_legacy = kind == "h5" and _inspect_h5(path, allow_unsafe=allow_unsafe)
    # Imported late: refusing a file should not take the seconds that this does.
    if is_legacy:
        import tf_keras as keras  # noqa: PLC0415
    else:
        import keras  # noqa: PLC0415
    try:
        return keras.models.load_model(path, compile=False, safe_mode=not allow_unsafe), keras
    except Exception as error:  # whatever Keras raises, it is about the file
        reason = _reason(error)
        # Keras puts what it looked for in vain at the end of a long story.
        unknown = re.search(
            r"(Unknown layer|Could not locate (class|function)):? *'?([\w.>]{1,80})", str(error)
        )
        if unknown:
            raise RefusalError(
                "model.unsafe",
                f"it holds {unknown[3]!r}, which Keras does not know",
                "use built-in layers, or convert it to .tflite where its code is",
            ) from error
        raise RefusalError(
            "model.corrupt",
            f"Keras refuses the file: {reason}",
            "save it again as .keras with the Keras that made it; copy a file that was cut short",
        ) from error


def _inspect_h5(path: Path, *, allow_unsafe: bool) -> bool:
    """Whether it is of Keras 2. Raises RefusalError where it is no model, or an unsafe one."""
    import h5py  # noqa: PLC0415

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", "2")
            outside = _links_outside(file, h5py)
            names = list(file)[:5]
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and ValueError
        raise RefusalError(
            "model.corrupt", f"this is no readable HDF5 file: {_reason(error)}", _SAVE_AGAIN
        ) from error
    if outside:
        raise RefusalError(
            "model.unsafe",
            f"{outside!r} in the file lies in another file",
            "this is no model as Keras saves it: do not use it",
        )
    if config is None:
        raise RefusalError(
            "model.corrupt",
            f"the file holds no model's configuration (it holds {', '.join(names) or 'nothing'})",
            "save the whole model with model.save, not its weights alone",
        )
    try:
        findings = inspect_config(json.loads(config))
    except (ValueError, RecursionError) as error:
        raise RefusalError(
            "model.corrupt", f"its model_config cannot be read: {_reason(error)}", _SAVE_AGAIN
        ) from error
    if findings and not allow_unsafe:
        raise RefusalError(
            "model.unsafe",
            "loading it would run what its file says: "
            + "; ".join(finding.sentence for finding in findings[:8]),
            _UNSAFE_HINT,
        )
    text = version.decode() if isinstance(version, bytes) else str(version)
    return text.split(".")[0] in {"1", "2"}


def _links_outside(group: Any, h5py: Any) -> str | None:  # noqa: ANN401  h5py ships no types
    """The first link or data set whose bytes are in another file."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            return str(name)
        item = group[name]
        if isinstance(item, h5py.Group):
            found = _links_outside(item, h5py)
            if found is not None:
                return found
        elif item.external or item.is_virtual:
            return str(name)
    return None


def _keras_function(model: Any) -> Any:  # noqa: ANN401
    """The model as one function of inputs with batch 1, in the order of `model.inputs`."""
    import tensorflow as tf  # noqa: PLC0415

    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise RefusalError(
            "model.no-inputs",
            "the model does not say what its inputs are",
            "give its first layer an Input with a shape, and save it again",
        )
    specs = []
    for position, tensor in enumerate(inputs):
        shape = [1, *tensor.shape[1:]]
        name = str(getattr(tensor, "name", f"input_{position}"))
        _check_shape(shape, name)
        specs.append(tf.TensorSpec(shape, tensor.dtype, name=name.partition(":")[0]))

    def call(*tensors: Any) -> Any:  # noqa: ANN401
        # As the model was built: its names for Keras 3 and 2. Both flatten by sorted keys.
        structure = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
        if isinstance(structure, dict):
            return model(dict(zip(sorted(structure), tensors, strict=True)), training=False)
        return model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)

    try:
        return tf.function(call).get_concrete_function(*specs)
    except Exception as error:  # whatever tracing a model raises, it is about the model
        raise RefusalError(
            "model.unsupported", f"TensorFlow cannot trace it: {_reason(error)}", _SUPPORTED
        ) from error


def _input_ranges(model: Any, keras: Any) -> list[list[float] | None] | None:  # noqa: ANN401
    """What the inputs lay between in training, by the first batch normalization's statistics.

    Of the usual ranges the one is taken whose random inputs give means and variances there that
    are nearest to those the layer remembers. None where the model has no such layer, or several
    inputs.
    """
    import numpy as np  # noqa: PLC0415

    layers = keras.layers
    norms = [item for item in model.layers if isinstance(item, layers.BatchNormalization)]
    if len(model.inputs) != 1 or not norms:
        return None
    norm = norms[0]
    try:
        before = keras.Model(model.inputs, norm.input)
        rng = np.random.Generator(np.random.PCG64(20))
        shape = (16, *model.inputs[0].shape[1:])
        axes = tuple(range(len(norm.input.shape) - 1))
        variance = np.asarray(norm.moving_variance) + 1e-12
        mean = np.asarray(norm.moving_mean)
        distances = []
        for low, high in _RANGES:
            values = rng.uniform(low, high, shape).astype(np.float32)
            reached = np.asarray(before(values, training=False))
            spread = np.abs(np.log((reached.var(axis=axes) + 1e-12) / variance))
            shift = np.abs(reached.mean(axis=axes) - mean) / np.sqrt(variance)
            distances.append(float(np.median(spread) + np.median(shift)))
    except Exception as error:  # noqa: BLE001  an estimate that fails is none
        print(f"no input range was estimated: {_reason(error)}")
        return None
    low, high = _RANGES[int(np.argmin(distances))]
    return [[low, high]]


# SavedModel.


def _saved_model(folder: Path, *, allow_unsafe: bool) -> tuple[Any, Any]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    document = saved_model_pb2.SavedModel()
    try:
        document.ParseFromString((folder / "saved_model.pb").read_bytes())
        graphs = [meta.graph_def for meta in document.meta_graphs]
    except DecodeError as error:
        raise RefusalError(
            "model.corrupt", f"its saved_model.pb cannot be read: {_reason(error)}", _SAVE_AGAIN
        ) from error
    if not graphs:
        raise RefusalError("model.corrupt", "its saved_model.pb holds no graph", _SAVE_AGAIN)
    nodes = [node for graph in graphs for node in graph.node]
    called = [
        node
        for graph in graphs
        for function in graph.library.function
        for node in function.node_def
    ]
    found = [node for node in (*nodes, *called) if node.op in _UNSAFE_OPS]
    if found and not allow_unsafe:
        shown = "; ".join(f"{node.op} {node.name!r}" for node in found[:8])
        raise RefusalError(
            "model.unsafe", f"it runs Python or reads and writes files: {shown}", _UNSAFE_HINT
        )
    # A model of Keras 2 is restored through tf_keras's classes.
    import tensorflow as tf  # noqa: PLC0415
    import tf_keras  # noqa: F401, PLC0415

    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # whatever TensorFlow raises, it is about the folder
        raise RefusalError(
            "model.corrupt", f"TensorFlow cannot load it: {_reason(error)}", _SAVE_AGAIN
        ) from error
    signatures = loaded.signatures
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise RefusalError(
            "model.no-inputs",
            "it has no signature that says what its inputs are",
            "save it with model.export, or give tf.saved_model.save a signature",
        )
    signature = signatures[name]
    specs = {}
    for key, spec in signature.structured_input_signature[1].items():
        if spec.shape.rank is None:
            raise _dynamic(key, "of unknown rank")
        shape = [1, *spec.shape[1:]] if spec.shape.rank and spec.shape[0] is None else spec.shape
        _check_shape(list(shape), key)
        specs[key] = tf.TensorSpec(shape, spec.dtype, name=key)
    function = tf.function(signature).get_concrete_function(**specs)
    return function, loaded


# The converter.

_SUPPORTED = "express it with layers that TensorFlow Lite has; Keras's usual ones are"


def _convert(function: Any, keeper: Any) -> bytes:  # noqa: ANN401
    import tensorflow as tf  # noqa: PLC0415

    try:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], keeper)
        return bytes(converter.convert())
    except Exception as error:  # whatever the converter raises, it is about the model
        raise RefusalError(
            "model.unsupported",
            f"TensorFlow Lite cannot express it: {_converter_reason(str(error))}",
            _SUPPORTED,
        ) from error


def _converter_reason(text: str) -> str:
    """The converter's own sentence: its text is pages of source positions."""
    lines = [line.strip() for line in text.splitlines()]
    for line in lines:
        if "op is neither a custom op nor a flex op" in line or "is not supported" in line:
            return line.rpartition("error: ")[2][:300]
    for mark in ("Custom ops: ", "Flex ops: "):
        for line in lines:
            if mark in line:
                return f"it needs {line.partition(mark)[2][:200]}"
    return next((line for line in lines if line), "no reason is given")[:300]


def _check(content: bytes) -> None:
    """Refuse what no target can run, by the names that its author knows."""
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    found = [name for name, code in _CONTROL_FLOW.items() if code in codes]
    if found:
        raise RefusalError(
            "model.control-flow",
            f"it has control flow ({', '.join(found)}), and a build has every step laid out",
            "unroll its loops: Keras's recurrent layers take unroll=True",
        )
    found = [name for name, code in _VARIABLES.items() if code in codes]
    if found:
        raise RefusalError(
            "model.unsupported",
            f"it keeps variables from one inference to the next ({', '.join(found)})",
            "make its state an input and an output",
        )
    custom = [
        bytes(code.customCode or b"?").decode(errors="replace")
        for code, number in zip(model.operatorCodes, codes, strict=True)
        if number == _CUSTOM
    ]
    if custom:
        raise RefusalError(
            "model.unsupported", f"it needs operators of its own: {', '.join(custom)}", _SUPPORTED
        )


def _check_shape(shape: Sequence[int | None], name: str) -> None:
    if any(extent is None for extent in shape):
        shown = ", ".join("?" if extent is None else str(extent) for extent in shape)
        raise _dynamic(name, f"of shape ({shown})")


def _dynamic(name: str, what: str) -> RefusalError:
    return RefusalError(
        "model.dynamic-shape",
        f"its input {name!r} is {what}, and only the batch may be open",
        "give the input a fixed shape, and save the model again",
    )


def _reason(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split()).replace(str(Path.cwd()), ".")
    return (text or type(error).__name__)[:400]


if __name__ == "__main__":
    # Read when TensorFlow is imported; an action's environment may say so, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    sys.exit(run_supervised(__file__, sys.argv[1:], work, "TensorFlow"))
