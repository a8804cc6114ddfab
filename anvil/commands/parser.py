"""argparse as Anvil uses it: mistakes with the nearest word, and one form for every command."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.pipeline.events import Outcome


class UsageError(Exception):
    """A command line that cannot be understood."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Parser(argparse.ArgumentParser):
    """argparse, but mistakes raise UsageError, with the nearest word."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the nearest word that would have been right."""
        import difflib

        hint = f"run `{self.prog} --help`"
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if found:
            choices = re.findall(r"'([^']*)'", found[2]) or found[2].split(", ")
            near = difflib.get_close_matches(found[1], choices, n=1)
            message = f"there is no {found[1]!r}; there is {', '.join(choices)}"
            hint = f"did you mean {near[0]!r}?" if near else hint
        found = re.search(r"unrecognized arguments: (\S+)", message)
        if found:
            known = [option for action in self._all_actions() for option in action.option_strings]
            near = difflib.get_close_matches(found[1].partition("=")[0], known, n=1)
            hint = f"did you mean {near[0]}?" if near else hint
        raise UsageError(message, hint)

    def _all_actions(self) -> list[argparse.Action]:
        actions = list(self._actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  no public name
                for parser in action.choices.values():
                    actions += parser._actions  # noqa: SLF001
        return actions


class Targets(argparse.Action):
    """`--target a,b --target c` gives ("a", "b", "c"), each once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add one option's names to those given before."""
        names = [name.strip() for name in str(values).split(",")]
        if not all(names):
            parser.error(f"{option_string} takes names separated by commas, found {values!r}")
        former = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, tuple(dict.fromkeys((*former, *names))))


def positive(word: str) -> int:
    """A whole number from 1, of six digits at most."""
    # Few digits: int() refuses thousands of them with an error of its own.
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", word):
        msg = f"takes a whole number from 1, found {word[:20]!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(word)


def add_command(
    commands: Any,  # noqa: ANN401  argparse has no public name for it
    name: str,
    summary: str,
    description: str,
    *examples: str,
    handler: Callable[[argparse.Namespace], Outcome],
) -> argparse.ArgumentParser:
    """A command among `commands`, with the options that every command has.

    examples: for --help; `handler` does the work, and imports what it needs when it is called.
    """
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog="\n  ".join(("examples:", *examples)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--json", action="store_true", help="print one JSON document on stdout, nothing else"
    )
    made.add_argument("--quiet", action="store_true", help="print errors only")
    made.set_defaults(handler=handler)
    return made


def add_group(commands: Any, name: str, summary: str, description: str) -> Any:  # noqa: ANN401
    """A word that commands of its own follow, such as `cache`; what `add_command` adds them to.

    `NAME_command` in the namespace names the one given.
    """
    group = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
    return group.add_subparsers(
        dest=f"{name}_command", metavar="COMMAND", title="commands", required=True
    )
