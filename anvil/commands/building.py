"""Commands that build or use what was built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_building, add_project
from anvil.commands.parser import add_command

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "build",
        "build the model for its targets",
        "Build the model for its targets, each into build/<target>/: artifacts, the rendered\n"
        "project/ that builds without Anvil, plan.json, measured.json and manifest.json.\n"
        "Every step is cached by what it depends on; a failing target stops no other.",
        "anvil build                                every target of anvil.yaml",
        "anvil build --target nrf52840,rpi4         two of them",
        "anvil build --project ../digits --out out --json",
        "anvil build --locked                       with what anvil.lock names, or not at all",
        handler=_build,
    )
    add_project(made)
    add_building(made)

    made = add_command(
        commands,
        "run",
        "run a built artifact on inputs",
        "Run what was built for one target: on its emulator, natively, or on a board.\n\n"
        "The input has the model's shape and exactly its dtype; one more leading axis means\n"
        "several independent inferences, and the output has the same form.",
        "anvil run --target rpi4 --input x.npy --output y.npy",
        "anvil run --target nrf52840 --input x.npy --stats s.json     instructions, stack, sizes",
        "anvil run --target nrf52840 --input x.npy --output y.npy --port /dev/ttyACM0",
        "anvil run --target rpi4 --input image=x.npy --input 1=y.npy  by name, by index",
        handler=_run,
    )
    add_project(made)
    made.add_argument("--target", metavar="T", required=True, help="one target")
    made.add_argument(
        "--input",
        metavar="X.npy",
        action="append",
        required=True,
        help="FILE, INDEX=FILE or NAME=FILE; repeat for several inputs",
    )
    made.add_argument(
        "--output",
        metavar="Y.npy",
        action="append",
        default=[],
        help="FILE, INDEX=FILE or NAME=FILE; repeat for several outputs",
    )
    made.add_argument("--stats", metavar="S.json", help="write instructions, stack, arena, sizes")
    made.add_argument("--port", metavar="TTY", help="a board's serial port, such as /dev/ttyACM0")

    made = add_command(
        commands,
        "verify",
        "compare every target with the reference",
        "Build what is not built, run 16 random and 3 extreme inferences on every target, and\n"
        "compare each output byte with TFLite's reference kernels. A target whose emulator is\n"
        "missing here is not_checked, never passed.",
        "anvil verify                               every target of anvil.yaml",
        "anvil verify --target browser --layers     and which layer differs first",
        handler=_verify,
    )
    add_project(made)
    add_building(made)
    made.add_argument(
        "--layers",
        action="store_true",
        help="also compare every layer, with a traced second build of each target",
    )

    made = add_command(
        commands,
        "report",
        "write what fits where, and why, as one HTML file",
        "Build what is not built, and write one HTML file for every target: the choices that\n"
        "were looked at and the one taken, memory over time, flash by part, instructions by\n"
        "layer, accuracy by candidate, predictions beside measurements. It needs no network.",
        "anvil report                               every target, into build/report.html",
        "anvil report --target nrf52840 --out nrf52840.html",
        handler=_report,
    )
    add_project(made, out=False)
    add_building(made)
    made.add_argument(
        "--out", metavar="FILE", help="the file to write (default: build/report.html)"
    )


def _build(arguments: argparse.Namespace) -> Outcome:
    from anvil import warm
    from anvil.commands.workspace import folders, with_workspace
    from anvil.core.diagnostics import ExitCode
    from anvil.pipeline.build import build
    from anvil.pipeline.load import out_folder
    from anvil.pipeline.watched import is_as_read, watched_paths

    def key() -> str | None:
        if not warm.is_plain(arguments):
            return None
        out = os.path.normpath(out_folder(*folders(arguments)))
        return warm.inputs_key(arguments.project, out, arguments.target, is_locked=arguments.locked)

    before = key()
    states = None

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        nonlocal states
        # The model was read before; all else is read after this.
        states = warm.states_of(watched_paths(workspace))
        states = states if is_as_read(workspace) else None
        return build(workspace, listener, n_jobs)

    built, outcome = with_workspace(arguments, work)
    is_clean = not outcome.all_diagnostics and outcome.exit_code is ExitCode.DONE
    # Inputs that changed meanwhile may or may not be in what was built.
    is_steady = before == key() and states == warm.states_of(watched_paths(built))
    if is_clean and before is not None and states is not None and is_steady:
        names = [target.target for target in outcome.targets]
        warm.remember(str(built.out), before, states, names)
    return outcome


def _run(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.commands.workspace import cancellation, folders
    from anvil.pipeline.load import load_target, out_folder
    from anvil.pipeline.run import RunRequest, run_files

    project, out = folders(arguments)
    return run_files(
        out_folder(project, out) / arguments.target,
        load_target(project=project, name=arguments.target),
        RunRequest(
            inputs=tuple(arguments.input),
            outputs=tuple(arguments.output),
            stats=None if arguments.stats is None else Path(arguments.stats),
            serial_port=arguments.port,
        ),
        cancellation(),
    )


def _verify(arguments: argparse.Namespace) -> Outcome:
    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.verify import verify

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        return verify(workspace, listener, n_jobs, layers=arguments.layers)

    return with_workspace(arguments, work)[1]


def _report(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.report import report

    file = None if arguments.out is None else Path(arguments.out)
    arguments.out = None  # a file here, while targets go where they always go

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        return report(workspace, listener, n_jobs, file=file)

    return with_workspace(arguments, work)[1]
