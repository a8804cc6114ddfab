"""Commands about the root file system that hermetic builds run in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_project
from anvil.commands.parser import add_command, add_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from anvil.pipeline.events import Listener, Outcome


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
        "Where anvil.lock names an image, its packages are taken and no others. Debian's mirror\n"
        "is that of this machine's apt configuration.",
        "anvil image build",
        "anvil image build --pool image.tar         of an export's packages, without a network",
        "anvil image build --newest                 what the mirror has today, whatever is locked",
        "anvil image build --mirror https://HOST/debian --mirror https://HOST/debian-security",
        handler=_build,
    )
    add_project(made, out=False)
    source = made.add_mutually_exclusive_group()
    source.add_argument(
        "--pool", metavar="FILE|DIR", help="an export, or a folder it was unpacked into"
    )
    source.add_argument(
        "--newest", action="store_true", help="take the mirror's packages, not anvil.lock's"
    )
    source.add_argument(
        "--if-missing",
        action="store_true",
        help="make none where anvil.lock's, or without a lock one of this Anvil's, is here",
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
    made = add_command(
        group,
        "export",
        "write an image to one file",
        "Write an image with every package and wheel that it was made of, and a Dockerfile, to\n"
        "one file, for machines without a network. The same image gives the same file.",
        "anvil image export image.tar               the newest",
        "anvil image export image.tar --image 4f0a  the one whose sha256 begins so",
        handler=_export,
    )
    made.add_argument("file", metavar="FILE", help="the file to write")
    made.add_argument("--image", metavar="SHA256", help="which one (default: the newest)")
    made = add_command(
        group,
        "import",
        "take an exported image",
        "Take an image that `anvil image export` wrote, everything in it checked by digest.",
        "anvil image import image.tar",
        handler=_import,
    )
    made.add_argument("file", metavar="FILE", help="the file to read")
    made = add_command(
        group,
        "remove",
        "take an image away",
        "Remove an image, and the packages and wheels that no other image needs. `anvil cache gc`\n"
        "leaves images alone.",
        "anvil image remove 4f0a",
        handler=_remove,
    )
    made.add_argument("image", metavar="SHA256", help="the image, or how its sha256 begins")


def _build(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.commands.workspace import cancellation
    from anvil.pipeline.images import build

    return _with_progress(
        arguments,
        lambda listener: build(
            project=Path(arguments.project),
            pool=None if arguments.pool is None else Path(arguments.pool),
            is_newest=arguments.newest,
            is_only_missing=arguments.if_missing,
            mirrors=arguments.mirror,
            cancellation=cancellation(),
            listener=listener,
        ),
    )


def _list(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.images import list_images

    del arguments
    return list_images()


def _export(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.pipeline.images import export
    from anvil.process import interrupt_on_termination

    interrupt_on_termination()
    target = Path(arguments.file)
    return _with_progress(arguments, lambda listener: export(target, arguments.image, listener))


def _import(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.pipeline.images import import_
    from anvil.process import interrupt_on_termination

    interrupt_on_termination()
    return _with_progress(arguments, lambda listener: import_(Path(arguments.file), listener))


def _remove(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.images import remove

    return remove(arguments.image)


def _with_progress(arguments: argparse.Namespace, work: Callable[[Listener], Outcome]) -> Outcome:
    from anvil.display import make_progress

    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        return work(listener)
