"""What a plan depends on: its own request, and what its key tells of; and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anvil.build.tools import installed_version
from anvil.cache.store import Store
from anvil.core.candidate import Accuracy
from anvil.core.diagnostics import ExitCode
from anvil.core.target import Requirements, TargetRequest
from anvil.pipeline import build, sources
from anvil.pipeline.build import plan_documents
from anvil.pipeline.candidates import candidate_models, pin
from anvil.pipeline.executors import Executors
from anvil.pipeline.planning import Planning
from anvil.pipeline.sources import read_sources
from anvil.pipeline.watched import is_as_read
from anvil.pipeline.workspace import Options
from tests.support.data_projects import workspace
from tests.support.float_models import N_INPUTS, dense_model
from tests.support.projects import target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.pipeline.events import Event
    from anvil.pipeline.workspace import Workspace

_PROJECT = "project"


def _deaf(_event: Event) -> None:
    pass


def _data(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (32, N_INPUTS)).astype(np.float32)
    np.savez(path, x=x, y=rng.integers(0, 4, 32))


def _workspace(folder: Path, *requests: TargetRequest, **data: str) -> Workspace:
    project = folder / _PROJECT
    project.mkdir(parents=True, exist_ok=True)
    made = workspace(project, cache=folder / "cache", model=dense_model(), **data)
    return replace(made, project=replace(made.project, targets=requests))


def _request(name: str, *candidates: str, max_accuracy_drop: float | None = None) -> TargetRequest:
    return TargetRequest(
        target=target(name),
        requirements=Requirements(max_accuracy_drop=max_accuracy_drop),
        candidates=candidates,
    )


def _plans(project: Workspace) -> dict[str, bytes]:
    planner = Planning(project, read_sources(project), _deaf)
    return {
        request.target.name: planner.plan_only(request)["plan.json"]
        for request in project.project.targets
    }


def test_a_plan_is_the_same_alone_and_in_company(tmp_path: Path) -> None:
    alone = _request("rpi4", "float32")
    company = _request("linux-x86_64")
    own = _plans(_workspace(tmp_path / "a", alone))
    shared = _plans(_workspace(tmp_path / "b", company, alone))
    assert own["rpi4"] == shared["rpi4"]
    # The company is told of its int8, which had no calibration data.
    assert b"quantize.no-calibration" in shared["linux-x86_64"]
    assert b"quantize.no-calibration" not in own["rpi4"]


@pytest.mark.parametrize("library", sources._LIBRARIES)
def test_every_library_that_plans_enters_the_key(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _workspace(tmp_path)
    before = read_sources(project).digest
    monkeypatch.setattr(
        sources,
        "installed_version",
        lambda name: "0" if name == library else installed_version(name),
    )
    assert read_sources(project).digest != before


def _documents(project: Workspace, listener: Callable[[Event], None] = _deaf) -> Any:  # noqa: ANN401
    (outcome,) = plan_documents(project, listener).targets
    return outcome


def test_a_candidate_that_ran_out_of_time_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _workspace(tmp_path, _request("rpi4", "float32", "int8"))
    with monkeypatch.context() as context:
        context.setattr("anvil.quantize.candidates._TIMEOUT_S", 0.001)
        cut_short = _documents(project)
    assert cut_short.exit_code is ExitCode.DONE
    rows = {row["name"]: row["status"] for row in cut_short.details["plan"]["candidates"]}
    assert rows == {"float32": "considered", "int8": "failed"}
    again = _documents(project).details["plan"]
    rows = {row["name"]: row["status"] for row in again["candidates"]}
    assert rows == {"float32": "considered", "int8": "considered"}


def test_data_that_changes_under_a_command_enters_no_result(tmp_path: Path) -> None:
    (tmp_path / _PROJECT).mkdir()
    file = tmp_path / _PROJECT / "d.npz"
    _data(file, 0)
    first = file.read_bytes()
    project = _workspace(tmp_path, _request("rpi4", "float32"), evaluation="d.npz", metric="top1")

    def interfere(event: Event) -> None:
        if event.step == "planning":
            _data(file, 1)

    changed = _documents(project, interfere)
    assert changed.exit_code is ExitCode.BAD_INPUT
    assert [one.code for one in changed.diagnostics] == ["data.changing"]
    other = _documents(project).details["plan"]["accuracy"]
    file.write_bytes(first)
    own = _documents(project).details["plan"]["accuracy"]
    assert own["value"] != other["value"]
    store = Store(root=tmp_path / "fresh")
    executors = Executors(
        wanted="host", store=store, cancellation=project.cancellation, project=tmp_path
    )
    fresh = replace(project, store=store, executors=executors)
    assert _documents(fresh).details["plan"]["accuracy"] == own


def test_what_one_command_allowed_no_other_command_finds(tmp_path: Path) -> None:
    project = _workspace(tmp_path, _request("rpi4", "float32"))
    allowed = replace(project, options=Options(allow_unsafe_model=True))
    keys = {
        build._TargetBuild(
            one,
            read_sources(one),
            one.project.targets[0],
            Planning(one, read_sources(one), _deaf),
            _deaf,
        )._render_key()
        for one in (project, allowed)
    }
    assert len(keys) == 2


def test_a_model_that_changed_since_it_was_read_is_noticed(tmp_path: Path) -> None:
    project = _workspace(tmp_path)
    model = tmp_path / _PROJECT / "model.tflite"
    assert not is_as_read(project)
    model.write_bytes(project.model.content)
    assert is_as_read(project)
    model.write_bytes(dense_model(seed=1))
    assert not is_as_read(project)


def test_a_candidate_that_is_not_pinned_is_said(tmp_path: Path) -> None:
    project = _workspace(tmp_path, _request("rpi4", "float32", "int8", "int16x8"))
    pin(project, candidate_models(project, _deaf, names=["int8"]))
    rows = json.loads(_plans(project)["rpi4"])["candidates"]
    assert {row["name"]: row["reason"] for row in rows} == {
        "float32": None,
        "int8": None,
        "int16x8": "it is not among the pinned candidates in quantized/",
    }


@pytest.mark.parametrize(
    ("value", "reference", "higher", "limit", "exceeds"),
    [
        (0.9, 0.91, True, 0.01, False),  # the difference is 0.010000000000000009
        (0.9, 0.92, True, 0.01, True),
        (0.93, 0.92, True, 0.0, False),
        (0.03, 0.02, False, 0.01, False),
        (0.04, 0.02, False, 0.01, True),
        (0.04, None, False, 0.0, False),
    ],
)
def test_a_loss_is_compared_as_it_is_written(
    *, value: float, reference: float | None, higher: bool, limit: float, exceeds: bool
) -> None:
    accuracy = Accuracy(
        metric="m",
        value=value,
        interval=(0, 1),
        reference=reference,
        n_samples=1,
        higher_is_better=higher,
    )
    assert accuracy.loses_more_than(limit) is exceeds
