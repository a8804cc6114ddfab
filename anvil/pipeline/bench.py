"""anvil bench: what every layer of every target takes, and what changed since a baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.bench.baseline import changes, check_targets, parse, slower
from anvil.bench.measurement import Figures, Layer, Measurement
from anvil.bench.text import summary, table
from anvil.build.perform import healing, perform_files
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import digest_of
from anvil.package.install import replace_file
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.build import RECIPES, build
from anvil.pipeline.events import Event, Outcome, TargetOutcome, defect, failed
from anvil.pipeline.planning import MODEL_FILE, PROJECT, import_tflite_model, pretty, render_files
from anvil.pipeline.replan import plan_again
from anvil.pipeline.sources import read_sources
from anvil.resources import built_in, contents, read_folder
from anvil.verify.call_counts import can_count, count_calls
from anvil.verify.call_times import time_calls
from anvil.verify.inputs import standard_inferences
from anvil.verify.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.bench.baseline import Former
    from anvil.core.target import Target
    from anvil.pipeline.artifacts import BuiltTarget
    from anvil.pipeline.events import Listener
    from anvil.pipeline.sources import Sources
    from anvil.pipeline.workspace import Workspace

NOT_MEASURED = "not_measured"
_MISSING_TOOL = "run.missing-tool"
_TIMEOUT_S = 600.0
_LARGEST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """anvil bench's options."""

    save: Path | None = None
    baseline: Path | None = None
    fail_above_percent: float | None = None  # of the baseline's figures


def bench(workspace: Workspace, listener: Listener, n_jobs: int, request: BenchRequest) -> Outcome:
    """Build what is not built, and measure one inference of every target.

    A target whose emulator is missing here is `not_measured` with exit 1. Raises AnvilError
    where the baseline cannot be read (exit 2) or the result not be saved (exit 1).
    """
    # Before anything takes time.
    baseline = None
    if request.baseline is not None:
        baseline = _read(request.baseline)
        names = [one.target.name for one in workspace.project.targets]
        check_targets(baseline, names, str(request.baseline))
    built = build(workspace, listener, n_jobs)
    usable = {t.target for t in built.targets if t.exit_code is ExitCode.DONE}
    if not usable:
        return built
    sources = read_sources(workspace)
    outcomes: list[TargetOutcome] = []
    text: list[str] = []
    for outcome, target in zip(
        built.targets, (one.target for one in workspace.project.targets), strict=True
    ):
        if outcome.target not in usable:
            outcomes.append(outcome)
            continue
        listener(Event(target=target.name, step="measuring"))
        try:
            measured = _measure(workspace, sources, target)
            one, lines = _told(measured, baseline, request)
            text += [*lines, ""]
        except AnvilError as error:
            one = failed(target.name, error.diagnostics, error.exit_code)
            if all(d.code == _MISSING_TOOL for d in error.diagnostics):
                one = replace(one, status=NOT_MEASURED)
        except Exception as error:  # noqa: BLE001  a defect stops no other target
            one = failed(target.name, (defect(error),), ExitCode.FAILED)
        finally:
            listener(Event(target=target.name, step=""))
        outcomes.append(replace(one, diagnostics=(*outcome.diagnostics, *one.diagnostics)))
    if request.save is not None:
        _save(request.save, outcomes)
    return Outcome(targets=tuple(outcomes), text=tuple(text))


def _told(
    measured: Measurement, baseline: Mapping[str, Former] | None, request: BenchRequest
) -> tuple[TargetOutcome, list[str]]:
    """The target's outcome, and its table. Raises AnvilError where the baseline does not fit."""
    change = None
    diagnostics: tuple[Diagnostic, ...] = ()
    details = measured.as_json()
    if baseline is not None:
        file = str(request.baseline)
        change, diagnostics = changes(measured, baseline, file)
        for row, layer, was in zip(details["layers"], measured.layers, change.layers, strict=True):
            row["was"] = None if was is None else getattr(was.figures, change.metric)
            former = None if was is None else was.figures
            row["change"] = change.share(layer.figures, former)
        details["change"] = {
            "metric": change.metric,
            "was": getattr(change.total, change.metric),
            "share": change.share(measured.total, change.total),
            "gone": [{"index": one.key[0], "op": one.key[1]} for one in change.gone],
        }
        if request.fail_above_percent is not None:
            diagnostics += slower(measured, change, percent=request.fail_above_percent, file=file)
    is_slower = any(one.code == "bench.slower" for one in diagnostics)
    outcome = TargetOutcome(
        target=measured.target,
        status="slower" if is_slower else "measured",
        exit_code=ExitCode.FAILED if is_slower else ExitCode.DONE,
        diagnostics=diagnostics,
        details=details,
        note=summary(measured, change),
    )
    return outcome, table(measured, change)


# Measuring.


def _measure(workspace: Workspace, sources: Sources, target: Target) -> Measurement:
    built = read_built(workspace.target_folder(target.name), target.name)
    graph = import_tflite_model(built.model, workspace.model.file)
    invocation = Invocation(
        name=built.name,
        target=target.name,
        folder=built.folder,
        emulator=target.emulator,
        inputs=built.inputs,
        outputs=built.outputs,
        batches=(standard_inferences(graph, n_random=1)[0].inputs,),
        count=False,
        timeout_s=_TIMEOUT_S,
        cancellation=workspace.cancellation,
    )
    if can_count(invocation):
        return _counted(built, target, invocation, _cycle_model(sources, target))
    with workspace.store.work_folder() as name:
        folder = Path(name)
        healing(lambda: _build_bench(workspace, sources, target, built, folder))
        return _timed(built, target, replace(invocation, folder=folder))


def _counted(
    built: BuiltTarget, target: Target, invocation: Invocation, model: Mapping[str, Any] | None
) -> Measurement:
    states = target.flash_wait_states
    counted = count_calls(
        invocation, n_calls=len(built.plan["ops"]), reads=states is not None and model is not None
    )
    reads = counted.run.n_constant_reads
    wait_cycles = None if reads is None or states is None else reads * states
    n_calls = len(counted.calls)
    cycles = [None] * n_calls if model is None else [round(c) for c in counted.cycles(model)]
    outside = Figures(
        instructions=counted.before,
        cycles=None if model is None else round(counted.cycles_before(model)),
    )
    layers = _layers(
        built,
        [
            Figures(instructions=instructions, cycles=spent)
            for instructions, spent in zip(counted.calls, cycles, strict=True)
        ],
    )
    figures = [outside, *(layer.figures for layer in layers)]
    total = Figures(
        instructions=sum(one.instructions or 0 for one in figures),
        cycles=None if model is None else sum(one.cycles or 0 for one in figures),
    )
    emulator = target.emulator
    machine = emulator.machine or emulator.cpu
    how = f"one inference, counted in {emulator.program or emulator.kind} ({machine})"
    if model is not None:
        how += f"; cycles by the model of {target.core.name}, without waiting for memory"
    return Measurement(
        **_facts(built, target),
        how=how,
        machine=None,
        layers=layers,
        outside=outside,
        total=total,
        latency_s=_latency_s(total.cycles, wait_cycles, target.clock_hz),
        wait_cycles=wait_cycles,
    )


def _latency_s(cycles: int | None, wait_cycles: int | None, clock_hz: int | None) -> float | None:
    if cycles is None or not clock_hz:
        return None
    return (cycles + (wait_cycles or 0)) / clock_hz


def _timed(built: BuiltTarget, target: Target, invocation: Invocation) -> Measurement:
    times = time_calls(invocation, n_calls=len(built.plan["ops"]))
    return Measurement(
        **_facts(built, target),
        how=f"medians of {times.n_batches} batches, each layer alone and warm, on {times.machine}",
        machine=times.machine,
        layers=_layers(built, [Figures(nanoseconds=round(ns, 1)) for ns in times.calls]),
        outside=Figures(),
        total=Figures(nanoseconds=round(times.whole, 1)),
        latency_s=times.whole * 1e-9,
        wait_cycles=None,
    )


def _facts(built: BuiltTarget, target: Target) -> dict[str, Any]:
    return {
        "target": target.name,
        "board": target.board,
        "name": built.name,
        "candidate": built.plan["candidate"],
        "model_sha256": digest_of(built.model).sha256,
        "plan_digest": built.plan["digest"],
    }


def _layers(built: BuiltTarget, figures: list[Figures]) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            index=row["index"],
            op=row["op"],
            variant=row["variant"],
            tensor=row["tensor"],
            macs=row["macs"],
            figures=one,
        )
        for row, one in zip(built.plan["ops"], figures, strict=True)
    )


def _cycle_model(sources: Sources, target: Target) -> Mapping[str, Any] | None:
    """What the core's profile says of cycles; the profile was checked when it was loaded."""
    from anvil.plan.yaml_data import load_yaml

    profile = load_yaml(sources.profiles[f"cores/{target.core.name}.yaml"].content)
    model: Mapping[str, Any] | None = profile.get("cycles")
    return model


def _build_bench(
    workspace: Workspace, sources: Sources, target: Target, built: BuiltTarget, folder: Path
) -> None:
    """Leave the bench's build of the same plan in `folder`. Raises AnvilError."""
    from anvil.plan.document import plan_digest
    from anvil.render.bench import render_bench

    plan = plan_again(
        built.plan,
        built.model,
        file=f"{target.name}/{MODEL_FILE}",
        name=built.name,
        target=target,
        kernels=contents(sources.kernels),
        profiles=contents(sources.profiles),
    )
    digest = plan_digest(plan)
    if digest != built.plan["digest"]:
        msg = f"the plan that was built is {built.plan['digest'][:12]}, made again {digest[:12]}"
        raise ValueError(msg)
    project = {
        path.removeprefix(PROJECT): content
        for path, content in render_files(sources, plan, digest).items()
    }
    templates = contents(read_folder(built_in("templates")))
    files = render_bench(plan, plan_digest=digest, project=project, templates=templates)
    tree = workspace.store.put_tree(files, frozenset())
    recipe = RECIPES[target.build](target, built.name, tree)
    _, outputs = perform_files(recipe.action, workspace.store, workspace.executors.choose)
    for output, path in recipe.artifacts:
        (folder / path).write_bytes(outputs[output])
    program = folder / built.name
    if program.is_file():
        program.chmod(0o755)


# The baseline's file.


def _read(path: Path) -> dict[str, Former]:
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(path, "it is no file")
        if path.stat().st_size > _LARGEST_BYTES:
            raise _unreadable(path, f"it has more than {_LARGEST_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "there is no such baseline") from None
    except OSError as error:
        raise _unreadable(path, f"cannot read it: {error.strerror}") from None
    return parse(content, str(path))


def _unreadable(path: Path, message: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="bench.baseline",
            message=message,
            file=str(path),
            hint="save one with `anvil bench --save FILE`",
        )
    )


def _save(path: Path, outcomes: list[TargetOutcome]) -> None:
    """Write what was measured; nothing where a target was not, since half a baseline misleads."""
    if any("layers" not in one.details for one in outcomes):
        return
    document = {
        "format": 1,
        "command": "bench",
        "targets": [one.as_json() for one in outcomes],
    }
    try:
        replace_file(path, pretty(document))
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="bench.unwritable",
                message=f"cannot save {path}: {error.strerror or error}",
                file=str(path),
                hint="name a file in a folder that can be written with --save",
            ),
            exit_code=ExitCode.FAILED,
        ) from error
