"""A user's metric function as an action: its files, the outputs and the labels are inputs.

action = metric_action(MetricCall(...), store)
values, interval = ...  from the action's outputs RETURNED and INTERVAL
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from anvil.core.action import Action, Tree
from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.cache.store import Store

RETURNED = "returned.npy"
INTERVAL = "interval.json"

_WORKER = "metric_worker.py"
_PROJECT = "project/"
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCall:
    """What is called, and with what; arrays as the bytes of .npy files."""

    module: str
    function: str
    files: Mapping[str, bytes]  # the user's, by path relative to anvil.yaml
    outputs: tuple[bytes, ...]
    labels: bytes | None
    intervals: bytes  # the source of anvil/quantize/intervals.py
    numpy_version: str


def metric_action(call: MetricCall, store: Store) -> Action:
    """The action that applies the function once, and for the bootstrap again and again.

    Where the user's code fails, so does the action: `metric_failure` says how.
    """
    files = {f"{_PROJECT}{path}": content for path, content in call.files.items()}
    files[_WORKER] = resources.files("anvil.verify").joinpath(_WORKER).read_bytes()
    files["intervals.py"] = call.intervals
    files |= {f"output_{index}.npy": content for index, content in enumerate(call.outputs)}
    if call.labels is not None:
        files["labels.npy"] = call.labels
    inputs: Tree = store.put_tree(files, frozenset())
    return Action(
        kind="metric",
        # -I: neither the user's own packages nor PYTHON* variables take part.
        argv=("{python}", "-I", _WORKER, call.module, call.function, str(len(call.outputs))),
        environment=(),
        inputs=inputs,
        tools=(("numpy", call.numpy_version),),
        outputs=(INTERVAL, RETURNED),
        timeout_s=_TIMEOUT_S,
    )


def metric_failure(error: AnvilError, folder: str) -> AnvilError:
    """The user's mistake at its file and line, where the action's failure is one; else `error`.

    `folder`: the project's, which the user's files lie in.
    """
    lines = error.diagnostics[0].message.splitlines()
    try:
        found = json.loads(lines[-1])
        message, hint = str(found["message"]), str(found["hint"])
        file, line = found["file"], found["line"]
    except (ValueError, KeyError, TypeError):
        # It took its process with it, or the time was up: this is the function's doing, too,
        # unless memory or a tool was lacking, and then the message says so.
        return AnvilError(
            *(
                replace(d, hint=d.hint or "see what the function of data.metric does there")
                for d in error.diagnostics
            ),
            exit_code=error.exit_code,
        )
    return AnvilError(
        Diagnostic(
            code="metric.failed",
            message=message,
            file=None if file is None else f"{folder}/{file}".removeprefix("./"),
            line=line,
            hint=hint,
        )
    )
