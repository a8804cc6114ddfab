"""What a command that works on a project does first."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.pipeline.events import Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from anvil.pipeline.events import Listener
    from anvil.pipeline.workspace import Options, Workspace
    from anvil.process import Cancellation


def with_workspace(
    arguments: argparse.Namespace, work: Callable[[Workspace, Listener, int], Outcome]
) -> tuple[Workspace, Outcome]:
    """Load the project, and do `work` with its targets, a listener and the number of jobs.

    Targets whose profiles are wrong are among the outcome's.
    """
    from anvil.core.executor_names import AUTO
    from anvil.display import make_progress
    from anvil.pipeline.load import load_workspace

    project, out = folders(arguments)
    loaded = load_workspace(
        project=project,
        out=out,
        names=arguments.target,
        cancellation=cancellation(),
        options=_options(arguments),
        # A command that only plans has no such option.
        executor=getattr(arguments, "executor", AUTO),
    )
    workspace = loaded.workspace
    if getattr(arguments, "locked", False) and workspace.project.targets:
        from anvil.pipeline.lock_held import held_to_lock

        workspace = held_to_lock(workspace)
    n_jobs = getattr(arguments, "jobs", None) or os.cpu_count() or 1
    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        outcome = work(workspace, listener, n_jobs) if workspace.project.targets else Outcome()
    targets = (*outcome.targets, *loaded.failures)
    if arguments.target is not None:
        targets = tuple(sorted(targets, key=lambda one: arguments.target.index(one.target)))
    return workspace, replace(outcome, targets=targets)


def _options(arguments: argparse.Namespace) -> Options:
    from anvil.pipeline.workspace import options

    return options(
        disabled_rewrites=arguments.no_rewrite,
        optimize=arguments.optimize,
        allow_unsafe_model=arguments.allow_unsafe_model,
    )


def folders(arguments: argparse.Namespace) -> tuple[Path, Path | None]:
    """--project, and --out where it was given."""
    return Path(arguments.project), None if arguments.out is None else Path(arguments.out)


def cancellation() -> Cancellation:
    """What Ctrl-C and a request to end reach a command through."""
    from anvil.process import Cancellation, interrupt_on_termination

    interrupt_on_termination()
    return Cancellation()
