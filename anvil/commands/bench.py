"""The command that measures what every layer takes."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from anvil.commands.options import (
    add_executor,
    add_jobs,
    add_locked,
    add_planning,
    add_project,
    add_targets,
)
from anvil.commands.parser import UsageError, add_command

if TYPE_CHECKING:
    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "bench",
        "what every layer takes: instructions, cycles or time",
        "Build what is not built, and measure one inference of every target, layer by layer:\n"
        "the kernel that runs it, multiply-accumulates, instructions or time, its share of the\n"
        "whole. Where a target is emulated, instructions are counted and cycles follow from the\n"
        "core's model, the same in every run; natively and in Node it is time on this computer.\n"
        "With --baseline each figure stands beside what it was.",
        "anvil bench --target nrf52840              one target",
        "anvil bench --optimize speed --json        every target, as one document",
        "anvil bench --save bench.json              keep the figures",
        "anvil bench --baseline bench.json          what changed since",
        "anvil bench --baseline bench.json --fail-above 1   exit with 1 where over 1 % was lost",
        handler=_bench,
    )
    add_project(made)
    add_targets(made)
    add_planning(made)
    add_locked(made)
    add_jobs(made)
    add_executor(made)
    made.add_argument(
        "--save",
        metavar="FILE",
        help="write the figures, for --baseline; nothing where a target cannot be measured",
    )
    made.add_argument("--baseline", metavar="FILE", help="compare with what --save wrote")
    made.add_argument(
        "--fail-above",
        metavar="PERCENT",
        type=_percent,
        help="with --baseline: exit with 1 where a layer or the whole takes more than so many "
        "percent over what it did",
    )


def _percent(word: str) -> float:
    try:
        value = float(word.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        msg = f"takes a number of percent from 0, found {word[:20]!r}"
        raise argparse.ArgumentTypeError(msg)
    return value


def _bench(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.bench import BenchRequest, bench

    if arguments.fail_above is not None and arguments.baseline is None:
        message = "--fail-above compares with a baseline, and none is given"
        raise UsageError(message, "add --baseline FILE, which --save has written")
    request = BenchRequest(
        save=None if arguments.save is None else Path(arguments.save),
        baseline=None if arguments.baseline is None else Path(arguments.baseline),
        fail_above_percent=arguments.fail_above,
    )

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        return bench(workspace, listener, n_jobs, request)

    return with_workspace(arguments, work)[1]
