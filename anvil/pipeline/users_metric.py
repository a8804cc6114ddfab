"""A user's metric function, called in a process of its own, and its answer judged."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from anvil.build.perform import perform_files
from anvil.build.tools import installed_version
from anvil.core.diagnostics import AnvilError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.pipeline.workspace import Workspace
    from anvil.quantize.metrics import Array, Measured, Samples


def users_metric(
    workspace: Workspace,
    metric: str,
    files: Mapping[str, bytes],
    samples: Samples,
    *,
    higher_is_better: bool,
) -> Measured:
    """What `module:function` says of the samples, with its interval.

    Raises AnvilError with the place in the user's file, or MetricError for what it returned.
    """
    import numpy as np

    from anvil.quantize.metrics import Measured, MetricError, judged
    from anvil.resources import built_in_source
    from anvil.verify.metric import INTERVAL, RETURNED, MetricCall, metric_action, metric_failure

    module, _, function = metric.partition(":")
    action = metric_action(
        MetricCall(
            module=module,
            function=function,
            files=files,
            outputs=tuple(map(_npy, samples.outputs)),
            labels=None if samples.labels is None else _npy(samples.labels),
            intervals=built_in_source("quantize/intervals.py"),
            numpy_version=installed_version("numpy") or "",
        ),
        workspace.store,
    )
    try:
        _, outputs = perform_files(action, workspace.store, workspace.executors.choose)
    except AnvilError as error:
        raise metric_failure(error, str(workspace.folder)) from error
    returned = np.load(io.BytesIO(outputs[RETURNED]), allow_pickle=False)
    try:
        found = judged(returned, samples.n_samples, higher_is_better=higher_is_better)
    except MetricError as error:
        raise MetricError(f"{metric}: {error}", error.hint) from error
    if isinstance(found, Measured):
        return found
    interval = json.loads(outputs[INTERVAL])
    if interval is None:
        raise MetricError(
            f"{metric}: it has no value for most resamplings of the evaluation data, and so no "
            "confidence interval",
            "return one number per sample, or a number for any samples, whatever their classes",
        )
    return Measured(
        value=found, interval=(interval[0], interval[1]), higher_is_better=higher_is_better
    )


def _npy(array: Array) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
