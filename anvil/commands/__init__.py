"""The command line's words and what each command calls."""

from __future__ import annotations

import argparse

from anvil import __version__
from anvil.commands import (
    bench,
    building,
    ci,
    images,
    locking,
    machine,
    planning,
    releasing,
    verify_release,
)
from anvil.commands.parser import Parser

_EPILOG = """\
examples:
  anvil build --target nrf52840,rpi4,browser   firmware, a Linux program and a web page
  anvil plan --explain                         what would be built, and why not otherwise
  anvil verify                                 prove every target against the reference
  anvil run --target nrf52840 --input x.npy --output y.npy --stats stats.json
  anvil targets nrf52840                       one target in full

exit codes: 0 done; 1 a build or check failed, or this machine lacks something;
2 configuration, command line, model or data is wrong; 3 a target does not fit; 130 interrupted
"""


# In the order of --help.
_GROUPS = (planning, building, bench, ci, images, locking, releasing, verify_release, machine)


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command; `command` in the namespace names the one given."""
    parser = Parser(
        prog="anvil",
        description="One model, one anvil.yaml, a built and proven artifact for every device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"anvil {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for group in _GROUPS:
        group.add(commands)
    return parser
