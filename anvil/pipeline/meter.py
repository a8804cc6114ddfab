"""Measuring one model on the project's data, with the reference kernels.

What was measured is kept under the digests of the model, the data, the metric and Anvil's
own code, so that a run with nothing new reads no data; the inferences are kept on their own,
a block at a time, so that another metric, or an interrupted run, does not repeat them.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from typing import TYPE_CHECKING, Any

from anvil.build.perform import healing, known, perform_files
from anvil.build.tools import installed_version
from anvil.cache.results import read_result, write_result
from anvil.core.candidate import Accuracy, Fidelity
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import canonical_json, digest_of, key_of
from anvil.pipeline.data import changing, data_digest, read_dataset
from anvil.pipeline.events import Event
from anvil.resources import code_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.candidate import Candidate
    from anvil.core.tensor import Tensor
    from anvil.pipeline.data import Role
    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Workspace
    from anvil.quantize.dataset import Array, Dataset
    from anvil.quantize.metrics import Measured

CALIBRATION, RANDOM = "calibration", "random"  # Fidelity.inputs
OF_MODEL = "accuracy.failed"  # the code of what is wrong with one model, not with the data
UNFINISHED = "accuracy.unfinished"  # likewise, and it may go well the next time
# An action each: few enough to end in time with slow kernels, and progress can be told.
_BLOCK_SAMPLES = 256
_FILE = "measured.json"
_CRASH = re.compile(r"LiteRT crashed \((\w+)\)")


def is_of_model(error: AnvilError) -> bool:
    """Whether a failure of `Meter` says something of that one model only."""
    return all(diagnostic.code in {OF_MODEL, UNFINISHED} for diagnostic in error.diagnostics)


class Meter:
    """Measures one model after the other on one project's data, which it reads at most once."""

    def __init__(
        self,
        workspace: Workspace,
        candidates: Sequence[Candidate],
        *,
        float_model: bytes | None,
        listener: Listener,
    ) -> None:
        """`candidates`: what inputs look like where there is no `float_model`."""
        data = workspace.project.data
        self.workspace = workspace
        self.has_evaluation = data is not None and data.evaluation is not None
        self.has_calibration = data is not None and data.calibration is not None
        self._float_model = float_model
        self._shapes_from = float_model if float_model is not None else candidates[0].content
        self._quantized = [c.content for c in candidates if c.name == "int8"]
        self._listener = listener
        self._reading = threading.Lock()  # several candidates may be measured at a time
        self._versions = [installed_version(name) for name in ("ai-edge-litert", "numpy", "pillow")]

    def accuracy(self, name: str, content: bytes) -> Accuracy:
        """A model's metric on the evaluation data, its `reference` left open.

        name: how messages call it. Raises AnvilError: `accuracy.failed` for the model itself,
        `metric.*` and `data.*` for the metric and the data.
        """
        data = self.workspace.project.data
        assert data is not None
        assert data.metric is not None
        key = self._key(
            "accuracy",
            content,
            self._evaluation_digest,
            data.metric,
            data.higher_is_better,
            {path: digest_of(source).sha256 for path, source in self._metric_files.items()},
        )
        metric = data.metric
        row = self._kept(key, lambda: self._measure_accuracy(name, content, metric))
        return Accuracy(
            metric=metric,
            value=row["value"],
            interval=(row["interval"][0], row["interval"][1]),
            reference=None,
            n_samples=row["n_samples"],
            higher_is_better=row["higher_is_better"],
        )

    def fidelity(self, name: str, content: bytes) -> Fidelity:
        """How close a model's outputs are to the float model's, on calibration data or random.

        Raises AnvilError as `accuracy` does.
        """
        float_model = self._float_model
        assert float_model is not None
        inputs = CALIBRATION if self.has_calibration else RANDOM
        digest = self._calibration_digest
        ranges = [] if self.has_calibration else [digest_of(c).sha256 for c in self._quantized]
        key = self._key("fidelity", content, digest_of(float_model).sha256, digest, ranges)
        row = self._kept(key, lambda: self._measure_fidelity(name, content, float_model))
        return Fidelity(
            signal_to_noise_db=row["signal_to_noise_db"],
            n_inferences=row["n_inferences"],
            inputs=inputs,
        )

    # What is known already.

    def _key(self, step: str, content: bytes, *more: Any) -> str:  # noqa: ANN401  JSON values
        return key_of([step, self._code, self._versions, digest_of(content).sha256, *more])

    @functools.cached_property
    def _evaluation_digest(self) -> str | None:
        return data_digest(self.workspace, "evaluation")

    @functools.cached_property
    def _calibration_digest(self) -> str | None:
        return data_digest(self.workspace, "calibration")

    @functools.cached_property
    def _code(self) -> str:
        return code_digest()

    def _kept(self, key: str, make: Any) -> dict[str, Any]:  # noqa: ANN401  () -> dict
        store = self.workspace.store
        tree = read_result(store, key)
        files = None if tree is None else store.get_tree(tree)
        if files is None:
            files = {_FILE: canonical_json(healing(make))}
            write_result(store, key, store.put_tree(files, frozenset()))
        row: dict[str, Any] = json.loads(files[_FILE])
        return row

    # What takes time.

    @functools.cached_property
    def _metric_files(self) -> dict[str, bytes]:
        from anvil.pipeline.metric_source import metric_files
        from anvil.quantize.metrics import is_own

        data = self.workspace.project.data
        assert data is not None
        if data.metric is None or is_own(data.metric):
            return {}
        return metric_files(self.workspace, data.metric)

    @functools.cached_property
    def _ports(self) -> tuple[Tensor, ...]:
        return ports_of(self._shapes_from, "the model")[0]

    @functools.cached_property
    def _evaluation(self) -> Dataset:
        return self._read("evaluation")

    @functools.cached_property
    def _comparison(self) -> Dataset:
        """What fidelity is measured with."""
        from anvil.quantize.random_inputs import random_dataset

        if self.has_calibration:
            return self._read("calibration")
        # An int8 candidate knows which range its inputs were calibrated to.
        ports = ports_of(self._quantized[0], "int8")[0] if self._quantized else self._ports
        return random_dataset(ports)

    def _read(self, role: Role) -> Dataset:
        self._listener(Event(target="", step=f"reading {role} data"))
        keyed = self._evaluation_digest if role == "evaluation" else self._calibration_digest
        dataset = read_dataset(self.workspace, role, self._ports)
        assert dataset is not None
        if dataset.sha256 != keyed:
            raise changing(self.workspace, role)
        return dataset

    def _measure_accuracy(self, name: str, content: bytes, metric: str) -> dict[str, Any]:
        from anvil.quantize.metrics import MetricError, Samples, is_own, measured

        with self._reading:
            dataset = self._evaluation
        outputs = self._outputs(name, content, dataset)
        samples = Samples(
            outputs=outputs,
            inputs=tuple(map(_real_inputs, dataset.inputs, self._ports)),
            labels=dataset.labels,
        )
        try:
            found = measured(metric, samples) if is_own(metric) else self._users(metric, samples)
        except MetricError as error:
            raise self._metric_error(str(error), error.hint) from error
        return {
            "value": found.value,
            "interval": found.interval,
            "n_samples": dataset.n_samples,
            "higher_is_better": found.higher_is_better,
        }

    def _users(self, metric: str, samples: Any) -> Measured:  # noqa: ANN401  Samples
        from anvil.pipeline.users_metric import users_metric

        data = self.workspace.project.data
        assert data is not None
        self._listener(Event(target="", step=f"computing {metric}"))
        return users_metric(
            self.workspace,
            metric,
            self._metric_files,
            samples,
            higher_is_better=data.higher_is_better,
        )

    def _metric_error(self, message: str, hint: str) -> AnvilError:
        project = self.workspace.project
        positions = () if project.data is None else project.data.positions
        line, column = next(((r[1], r[2]) for r in positions if r[0] == "metric"), (None, None))
        return AnvilError(
            Diagnostic(
                code="metric.mismatch",
                message=message,
                file=project.file,
                line=line,
                column=column,
                path="data.metric",
                hint=hint,
            )
        )

    def _measure_fidelity(self, name: str, content: bytes, float_model: bytes) -> dict[str, Any]:
        from anvil.quantize.metrics import signal_to_noise_db

        with self._reading:
            dataset = self._comparison
        expected = self._outputs("the float model", float_model, dataset)
        found = self._outputs(name, content, dataset)
        ratio = signal_to_noise_db(expected, found)
        return {"signal_to_noise_db": ratio, "n_inferences": dataset.n_samples}

    def _outputs(self, name: str, content: bytes, dataset: Dataset) -> tuple[Array, ...]:
        """The model's outputs as real values, each N x the shape of one."""
        import numpy as np

        from anvil.quantize.quantized import as_real, as_taken

        takes, gives = ports_of(content, name)
        columns = _in_order(dataset.inputs, self._ports, takes)
        if columns is None:
            raise _model_error(name, "its inputs have other shapes than the float model's", None)
        blocks: list[list[Array]] = []
        for start in range(0, dataset.n_samples, _BLOCK_SAMPLES):
            stop = min(start + _BLOCK_SAMPLES, dataset.n_samples)
            part = f": {start} of {dataset.n_samples}" if dataset.n_samples > _BLOCK_SAMPLES else ""
            taken = [as_taken(a[start:stop], p) for a, p in zip(columns, takes, strict=True)]
            raw = self._run(name, content, taken, f"measuring {name}{part}")
            blocks.append([as_real(values, port) for values, port in zip(raw, gives, strict=True)])
        self._listener(Event(target="", step=""))
        return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))

    def _run(self, name: str, content: bytes, inputs: Sequence[Array], step: str) -> list[Array]:
        """One block through the reference kernels."""
        import numpy as np

        from anvil.verify.reference import (
            OUTPUTS,
            decode,
            encode_inputs,
            reference_action,
            worker_source,
        )

        store = self.workspace.store
        rows = ((array[n].tobytes() for array in inputs) for n in range(len(inputs[0])))
        action = reference_action(
            model=store.put(content),
            inputs=store.put(encode_inputs(rows)),
            worker=store.put(worker_source()),
        )
        if known(action.key, store) is None:
            self._listener(Event(target="", step=step))
        try:
            _, files = perform_files(action, store, self.workspace.executors.choose)
        except AnvilError as error:
            raise _explained(error, name) from error
        result = decode(files[OUTPUTS])
        arrays = []
        for index, tensor in enumerate(result.tensors):
            joined = b"".join(values[index] for values in result.values)
            shape = tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape
            dtype = np.dtype(tensor.dtype).newbyteorder("<")
            arrays.append(np.frombuffer(joined, dtype).reshape(len(result.values), *shape))
        return arrays


def _in_order(
    inputs: Sequence[Array], known: Sequence[Tensor], takes: Sequence[Tensor]
) -> Sequence[Array] | None:
    """`inputs`, which are in the order of `known`, in that of `takes`; None where they differ.

    A converter may change the order and keep the names, or keep the order and change the names.
    """
    places = {port.name: index for index, port in enumerate(known)}
    order = list(range(len(known)))
    if len(places) == len(known) and places.keys() == {port.name for port in takes}:
        order = [places[port.name] for port in takes]
    if [port.shape for port in takes] != [known[index].shape for index in order]:
        return None
    return [inputs[index] for index in order]


def _real_inputs(values: Array, port: Tensor) -> Array:
    """Inputs as real values: those that were quantized already are dequantized."""
    from anvil.quantize.quantized import as_real

    return as_real(values, port)


def ports_of(content: bytes, name: str) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """A .tflite's inputs and outputs, whatever its operators.

    Raises AnvilError (`accuracy.failed`) where it is none, or has a port that cannot be used.
    """
    from anvil.importers.flatbuffer import DamagedFileError
    from anvil.importers.tflite_file import read_file_model
    from anvil.importers.tflite_tensors import as_tensor, tensor_problem

    try:
        model = read_file_model(content)
    except DamagedFileError as error:
        raise _model_error(name, f"{error.path} {error.message}", None) from error
    problems = [tensor_problem(model.tensors[i]) for i in (*model.inputs, *model.outputs)]
    for problem in filter(None, problems):
        raise _model_error(name, problem, None)
    tensors = {i: as_tensor(t, t.name) for i, t in enumerate(model.tensors) if i in model.inputs}
    tensors |= {i: as_tensor(t, t.name) for i, t in enumerate(model.tensors) if i in model.outputs}
    return (
        tuple(tensors[index] for index in model.inputs),
        tuple(tensors[index] for index in model.outputs),
    )


def _explained(error: AnvilError, name: str) -> AnvilError:
    """The reference action's failure as one sentence about the candidate."""
    if any(d.code != "reference.failed" for d in error.diagnostics):
        return error
    log = error.diagnostics[0].message
    reason = log.splitlines()[-1]
    hint = None
    crash = _CRASH.search(reason)
    # Whoever is out of memory is killed; and a worker that ends by itself says why below.
    if "\n" not in log or (crash is not None and crash[1] == "SIGKILL"):
        return _model_error(name, reason, "run the command again", code=UNFINISHED)
    if crash is not None:
        reason = f"LiteRT's reference kernels crashed on the evaluation data, {crash[1]}"
        hint = (
            "a known reason: their int8 and int16 SOFTMAX stops where the exponentials of a row "
            "sum to 512 or more, as over very many classes of nearly equal score"
        )
    return _model_error(name, reason, hint)


def _model_error(name: str, reason: str, hint: str | None, code: str = OF_MODEL) -> AnvilError:
    return AnvilError(
        Diagnostic(code=code, message=f"{name} cannot be measured: {reason}", hint=hint),
        exit_code=ExitCode.FAILED,
    )
