"""Commands about the root file system that hermetic builds run in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from anvil.commands.parser import add_command, add_group

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Outcome


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    group = add_group(
        commands,
        "image",
        "the root file system that hermetic builds run in",
        "Make, list and move the root file system that sandbox and docker run builds in.",
    )
    made = add_command(
        group,
        "build",
        "make the image from Debian's packages and Python's wheels",
        "Download Debian's packages and Python's wheels, checked by signature and hash, and make\n"
        "the root file system from them. The same packages give the same sha256 on any machine.\n"
        "Debian's mirror is that of this machine's apt configuration.",
        "anvil image build",
        "anvil image build --mirror https://HOST/debian --mirror https://HOST/debian-security",
        handler=_build,
    )
    made.add_argument(
        "--mirror",
        metavar="URL",
        action="append",
        default=[],
        help="take Debian's packages from here; repeatable, and an address that ends in "
        "`security` is that of the security updates",
    )
    add_command(
        group,
        "list",
        "the images of this machine",
        "List the images of this machine, the newest first, with their sha256.",
        "anvil image list",
        "anvil image list --json                    with every package and wheel",
        handler=_list,
    )


def _build(arguments: argparse.Namespace) -> Outcome:
    from anvil.commands.workspace import cancellation
    from anvil.display import make_progress
    from anvil.pipeline.images import build

    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        return build(mirrors=arguments.mirror, cancellation=cancellation(), listener=listener)


def _list(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.images import list_images

    del arguments
    return list_images()
