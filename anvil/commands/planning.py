"""Commands before a build: init and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_planning, add_project, add_targets
from anvil.commands.parser import add_command

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "init",
        "write an anvil.yaml for a model",
        "Write an anvil.yaml that builds as it is: with the data that lies beside the model, the\n"
        "metric that its labels suggest, and the targets whose memory holds it. It asks nothing\n"
        "and overwrites nothing.",
        "anvil init                                 for the one model in this folder",
        "anvil init models/digits.keras",
        "anvil init ../digits.tflite --project app  into app/anvil.yaml",
        handler=_init,
    )
    add_project(made, out=False)
    made.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help=".keras, .h5, SavedModel folder or .tflite (default: the one in the folder)",
    )
    made.add_argument("--force", action="store_true", help="overwrite an anvil.yaml")

    made = add_command(
        commands,
        "plan",
        "what would be built, whether it fits, and why",
        "Choose, for every target, among the model's quantizations and ways to run them, and\n"
        "say what the best would need: RAM, flash, time, accuracy. Nothing is compiled, and\n"
        "nothing is written but the cache.",
        "anvil plan                                 every target of anvil.yaml",
        "anvil plan --target nrf52840 --explain     every choice, and why it was not taken",
        "anvil plan --optimize size --json",
        "anvil plan --pin                           keep the quantized models in the project",
        handler=_plan,
    )
    add_project(made)
    add_targets(made)
    add_planning(made)
    made.add_argument("--explain", action="store_true", help="also what was not taken, and why")
    made.add_argument(
        "--pin",
        action="store_true",
        help="keep the quantized models in the project's quantized/: later builds take these, "
        "and need no TensorFlow",
    )


def _init(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.pipeline.init import init

    model = None if arguments.model is None else Path(arguments.model)
    return init(Path(arguments.project), model, force=arguments.force)


def _plan(arguments: argparse.Namespace) -> Outcome:
    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.plan import plan

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        del n_jobs  # one after the other: nothing is compiled
        return plan(workspace, listener, explain=arguments.explain, pin=arguments.pin)

    return with_workspace(arguments, work)[1]
