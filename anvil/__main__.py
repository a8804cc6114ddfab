"""The `anvil` program: answers a warm build at once, and everything else through anvil.cli."""

from __future__ import annotations

import argparse
import os
import sys

from anvil import warm
from anvil.commands import make_parser
from anvil.commands.parser import UsageError
from anvil.wording import json_document, summary_line


def main() -> int:
    """Run the command that the process was started with; its exit code."""
    try:
        if _answer_warm_build(sys.argv[1:]):
            return 0
        # Only now the stages, and with them all that takes time to import.
        from anvil.cli import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        # Before anything was begun there is nothing to end.
        return 130
    return run(sys.argv[1:])


def _answer_warm_build(words: list[str]) -> bool:
    if words[:1] != ["build"] or sys.stdout is None or sys.stderr is None:
        return False
    try:
        arguments = make_parser().parse_args(words)
    except UsageError:
        return False  # anvil.cli says what is wrong
    if not warm.is_plain(arguments):
        return False
    out = os.path.normpath(arguments.out or os.path.join(arguments.project, "build"))
    key = warm.inputs_key(arguments.project, out, arguments.target, is_locked=arguments.locked)
    targets = None if key is None else warm.warm_targets(out, key)
    if targets is None:
        return False
    try:
        _print(out, targets, arguments)
    except (OSError, UnicodeError):
        return False  # a full disk, a closed pipe, an old locale: anvil.cli deals with them
    return True


def _print(out: str, targets: list[str], arguments: argparse.Namespace) -> None:
    if arguments.json:
        rows = [
            {"target": target, "status": "up_to_date", "folder": os.path.join(out, target)}
            for target in targets
        ]
        sys.stdout.write(json_document("build", 0, diagnostics=(), targets=rows, details={}))
        sys.stdout.flush()
    elif not arguments.quiet:
        colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        for target in targets:
            sys.stderr.write(summary_line(target, "up_to_date", "", colour=colour) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
