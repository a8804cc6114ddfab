"""The command that checks a release."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_executor
from anvil.commands.parser import add_command

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Outcome


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "verify-release",
        "check a release with its maker's public key",
        "Check that a folder holds what its maker signed: the signature, every file's digest and\n"
        "mode, missing and extra files, and that checksums, bill of materials and manifests say\n"
        "the same. It needs no network, no project and no compiler.\n"
        "With --rebuild, plan, render and compile every target again, from the quantized model\n"
        "and the source in the release, with an empty cache, and compare every byte.\n"
        "Get the public key from its maker by another way than the release.",
        "anvil verify-release dist --key release-key.pub.pem",
        "anvil verify-release dist --key release-key.pub.pem --json",
        "anvil verify-release dist --key release-key.pub.pem --rebuild",
        handler=_verify_release,
    )
    made.add_argument("folder", metavar="DIR", help="the folder that `anvil release` wrote")
    made.add_argument(
        "--key",
        metavar="FILE",
        required=True,
        help="the ed25519 public key in PEM form: -----BEGIN PUBLIC KEY-----",
    )
    made.add_argument(
        "--rebuild", action="store_true", help="build it again, and compare every byte"
    )
    add_executor(made)


def _verify_release(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.commands.workspace import cancellation
    from anvil.display import make_progress
    from anvil.pipeline.verify_release import verify_and_rebuild, verify_release

    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        if arguments.rebuild:
            return verify_and_rebuild(
                Path(arguments.folder),
                Path(arguments.key),
                listener,
                executor=arguments.executor,
                cancellation=cancellation(),
            )
        return verify_release(Path(arguments.folder), Path(arguments.key), listener)
