"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.commands.parser import Targets, positive
from anvil.core.executor_names import AUTO, NAMES

if TYPE_CHECKING:
    import argparse


def add_project(made: argparse.ArgumentParser, *, out: bool = True) -> None:
    """--project and, where targets are written, --out."""
    made.add_argument(
        "--project", metavar="DIR", default=".", help="the folder of anvil.yaml (default: .)"
    )
    if out:
        made.add_argument(
            "--out", metavar="DIR", help="where targets go (default: build/ in the project)"
        )


def add_targets(made: argparse.ArgumentParser) -> None:
    """--target."""
    made.add_argument(
        "--target",
        metavar="A,B,C",
        action=Targets,
        help="targets to work on; repeatable (default: all in anvil.yaml)",
    )


def add_jobs(made: argparse.ArgumentParser) -> None:
    """--jobs."""
    made.add_argument(
        "--jobs", metavar="N", type=positive, help="targets at a time (default: all cores)"
    )


def add_executor(made: argparse.ArgumentParser) -> None:
    """--executor."""
    made.add_argument(
        "--executor",
        choices=NAMES,
        default=AUTO,
        help="where compilers run: docker or sandbox, in the root file system of `anvil image` "
        "and without a network; host, here with the pinned tools; auto (default), the first "
        "of these that this machine can use",
    )


def add_locked(made: argparse.ArgumentParser) -> None:
    """--locked."""
    made.add_argument(
        "--locked",
        action="store_true",
        help="refuse to go on where anything differs from anvil.lock (default: warn of it, and "
        "take the root file system that it names where that is here)",
    )


def add_building(made: argparse.ArgumentParser) -> None:
    """What every command takes that builds what is not built."""
    add_targets(made)
    add_planning(made)
    add_locked(made)
    add_jobs(made)
    add_executor(made)


def add_planning(made: argparse.ArgumentParser) -> None:
    """What decides a plan beside anvil.yaml."""
    made.add_argument(
        "--optimize",
        choices=("size", "balanced", "speed"),
        help="what the best choice is (default: anvil.yaml's optimize, or balanced)",
    )
    made.add_argument(
        "--no-rewrite",
        metavar="NAME",
        action="append",
        default=[],
        help="leave an exact rewrite out; repeatable (`anvil plan` lists what each gains, "
        "and a name that is not there lists all)",
    )
    made.add_argument(
        "--allow-unsafe-model",
        action="store_true",
        help="load a Keras model that holds code of its own (Lambda layers, custom objects)",
    )
