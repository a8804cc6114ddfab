"""anvil lock: what a project's builds depend on, by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_planning, add_project
from anvil.commands.parser import add_command

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "lock",
        "write down what builds depend on",
        "Write anvil.lock beside anvil.yaml: Anvil, kernels, toolchains, quantizers, the model\n"
        "and its candidates, target profiles, Python wheels, and the root file system with\n"
        "every Debian package, all by digest. It says what changed against the former lock.\n"
        "Keep the file in version control: builds with --locked refuse anything else, and\n"
        "other builds take the root file system that it names, and warn where they differ.",
        "anvil lock                                 write it, after a change that is meant",
        "anvil lock --check                         for CI: exit 1 where anything differs",
        "anvil lock --update image                  take over a new root file system only",
        "anvil lock --update toolchains.zig --update targets.nrf52840",
        handler=_lock,
    )
    add_project(made, out=False)
    add_planning(made)
    mode = made.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="compare, name each difference, and write nothing; a root file system that is not "
        "on this machine is no difference",
    )
    mode.add_argument(
        "--update",
        metavar="NAME",
        action="append",
        default=[],
        help="take over one entry and leave the rest: anvil, kernels, data, image, "
        "toolchains.zig, quantizers.NAME, models.int8, targets.NAME, wheels.NAME, or a Debian "
        "package or wheel of the root file system; repeatable",
    )
    # A lock is of all targets, wherever they are built.
    made.set_defaults(target=None, out=None)


def _lock(arguments: argparse.Namespace) -> Outcome:
    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.locking import check_lock, lock, update_lock

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        del n_jobs  # nothing is compiled
        if arguments.check:
            return check_lock(workspace)
        if arguments.update:
            return update_lock(workspace, listener, arguments.update)
        return lock(workspace, listener)

    return with_workspace(arguments, work)[1]
