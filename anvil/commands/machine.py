"""Commands about targets, this machine and what Anvil keeps on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_project, add_targets
from anvil.commands.parser import add_command, add_group

if TYPE_CHECKING:
    import argparse

    from anvil.pipeline.events import Outcome


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "targets",
        "list the targets, or show one",
        "List the targets of the project's targets/ folder and the built-in ones, or show one.",
        "anvil targets",
        "anvil targets nrf52840                     memory, clock, toolchain, emulator",
        handler=_targets,
    )
    add_project(made, out=False)
    made.add_argument("name", metavar="NAME", nargs="?", help="show this one in full")

    made = add_command(
        commands,
        "doctor",
        "what this machine has and lacks",
        "Check compilers, emulators, browser runtime and cache, and say what installs the rest.",
        "anvil doctor",
        handler=_doctor,
    )

    made = add_command(
        commands,
        "clean",
        "remove built targets",
        "Remove build/<target>/ of the given targets, and of no folder that Anvil did not build.",
        "anvil clean                                all that is built",
        "anvil clean --target rpi4",
        handler=_clean,
    )
    add_project(made)
    add_targets(made)

    cache_commands = add_group(
        commands,
        "cache",
        "statistics, verification and clean-up of the cache",
        "The content-addressed store in the user's cache folder (ANVIL_CACHE_DIR).",
    )
    add_command(
        cache_commands,
        "stat",
        "what the cache holds",
        "Count blobs and results.",
        "anvil cache stat",
        handler=_cache,
    )
    made = add_command(
        cache_commands,
        "gc",
        "drop what was used longest ago",
        "Drop the results used longest ago until the rest fits. What was written in the last\n"
        "hour stays, since a running build may hold it. Where the compilers' own caches are what\n"
        "is too large, they go as a whole, and the next build takes longer. Root file systems\n"
        "stay: `anvil image remove` takes them away.",
        'anvil cache gc --max-size "500 MiB"',
        handler=_cache,
    )
    made.add_argument(
        "--max-size", metavar="SIZE", default="5 GiB", help="what to keep (default: 5 GiB)"
    )
    add_command(
        cache_commands,
        "verify",
        "hash every blob",
        "Hash every blob and remove the damaged, which are made again when needed.",
        "anvil cache verify",
        handler=_cache,
    )

    made = add_command(
        commands,
        "completion",
        "print a shell's completion script",
        "Print the completion script for a shell; its rc file may evaluate it.",
        'eval "$(anvil completion bash)"            in ~/.bashrc',
        'eval "$(anvil completion zsh)"             in ~/.zshrc, after compinit',
        handler=_completion,
    )
    made.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _targets(arguments: argparse.Namespace) -> Outcome:
    from pathlib import Path

    from anvil.pipeline.inspect import list_targets

    return list_targets(Path(arguments.project), arguments.name)


def _doctor(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline.doctor import examine

    del arguments
    return examine()


def _clean(arguments: argparse.Namespace) -> Outcome:
    from anvil import warm
    from anvil.commands.workspace import folders
    from anvil.display import make_progress
    from anvil.pipeline.clean import clean
    from anvil.pipeline.load import out_folder

    out = out_folder(*folders(arguments))
    warm.forget(str(out))
    with make_progress(sys.stderr, quiet=arguments.quiet) as listener:
        return clean(out, arguments.target, listener)


def _cache(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline import maintain

    if arguments.cache_command == "gc":
        return maintain.collect_garbage(arguments.max_size)
    return maintain.statistics() if arguments.cache_command == "stat" else maintain.verify_blobs()


def _completion(arguments: argparse.Namespace) -> Outcome:
    import shtab

    from anvil.commands import make_parser
    from anvil.pipeline.events import Outcome

    script = shtab.complete(make_parser(), arguments.shell)
    if not arguments.json:
        sys.stdout.write(script)
        sys.stdout.flush()
    return Outcome(details={"shell": arguments.shell, "script": script})
