"""The command line's words: one parser, from which help and completion come."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, NoReturn

from anvil import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class UsageError(Exception):
    """A command line that cannot be understood."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _Parser(argparse.ArgumentParser):
    """argparse, but mistakes raise UsageError, with the nearest word."""

    def error(self, message: str) -> NoReturn:
        import difflib  # noqa: PLC0415  only for a mistake

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


class _Targets(argparse.Action):
    """`--target a,b --target c` gives ("a", "b", "c"), each once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        names = [name.strip() for name in str(values).split(",")]
        if not all(names):
            parser.error(f"{option_string} takes names separated by commas, found {values!r}")
        former = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, tuple(dict.fromkeys((*former, *names))))


def _positive(word: str) -> int:
    # Few digits: int() refuses thousands of them with an error of its own.
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", word):
        msg = f"takes a whole number from 1, found {word[:20]!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(word)


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command; `command` in the namespace names the one given."""
    parser = _Parser(
        prog="anvil",
        description="One model, one anvil.yaml, a built and proven artifact for every device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"anvil {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(
        name: str,
        summary: str,
        description: str,
        *examples: str,
        parent: Any = commands,  # noqa: ANN401
    ) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = parent.add_parser(
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
        return made

    def project(made: argparse.ArgumentParser, *, out: bool = True) -> None:
        made.add_argument(
            "--project", metavar="DIR", default=".", help="the folder of anvil.yaml (default: .)"
        )
        if out:
            made.add_argument(
                "--out", metavar="DIR", help="where targets go (default: build/ in the project)"
            )

    def targets(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--target",
            metavar="A,B,C",
            action=_Targets,
            help="targets to work on; repeatable (default: all in anvil.yaml)",
        )

    def jobs(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--jobs", metavar="N", type=_positive, help="targets at a time (default: all cores)"
        )

    def planning(made: argparse.ArgumentParser) -> None:
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

    made = command(
        "init",
        "write an anvil.yaml for a model",
        "Write an anvil.yaml that builds as it is: with the data that lies beside the model, the\n"
        "metric that its labels suggest, and the targets whose memory holds it. It asks nothing\n"
        "and overwrites nothing.",
        "anvil init                                 for the one model in this folder",
        "anvil init models/digits.keras",
        "anvil init ../digits.tflite --project app  into app/anvil.yaml",
    )
    project(made, out=False)
    made.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help=".keras, .h5, SavedModel folder or .tflite (default: the one in the folder)",
    )
    made.add_argument("--force", action="store_true", help="overwrite an anvil.yaml")

    made = command(
        "plan",
        "what would be built, whether it fits, and why",
        "Choose, for every target, among the model's quantizations and ways to run them, and\n"
        "say what the best would need: RAM, flash, time, accuracy. Nothing is compiled, and\n"
        "nothing is written but the cache.",
        "anvil plan                                 every target of anvil.yaml",
        "anvil plan --target nrf52840 --explain     every choice, and why it was not taken",
        "anvil plan --optimize size --json",
        "anvil plan --pin                           keep the quantized models in the project",
    )
    project(made)
    targets(made)
    planning(made)
    made.add_argument("--explain", action="store_true", help="also what was not taken, and why")
    made.add_argument(
        "--pin",
        action="store_true",
        help="keep the quantized models in the project's quantized/: later builds take these, "
        "and need no TensorFlow",
    )

    made = command(
        "build",
        "build the model for its targets",
        "Build the model for its targets, each into build/<target>/: artifacts, the rendered\n"
        "project/ that builds without Anvil, plan.json, measured.json and manifest.json.\n"
        "Every step is cached by what it depends on; a failing target stops no other.",
        "anvil build                                every target of anvil.yaml",
        "anvil build --target nrf52840,rpi4         two of them",
        "anvil build --project ../digits --out out --json",
    )
    project(made)
    targets(made)
    planning(made)
    jobs(made)
    made.add_argument(
        "--executor",
        choices=("auto", "host"),
        default="auto",
        help="where compilers run; host: on this machine, with the pinned toolchain",
    )

    made = command(
        "run",
        "run a built artifact on inputs",
        "Run what was built for one target: on its emulator, natively, or on a board.\n\n"
        "The input has the model's shape and exactly its dtype; one more leading axis means\n"
        "several independent inferences, and the output has the same form.",
        "anvil run --target rpi4 --input x.npy --output y.npy",
        "anvil run --target nrf52840 --input x.npy --stats s.json     instructions, stack, sizes",
        "anvil run --target nrf52840 --input x.npy --output y.npy --port /dev/ttyACM0",
        "anvil run --target rpi4 --input image=x.npy --input 1=y.npy  by name, by index",
    )
    project(made)
    made.add_argument("--target", metavar="T", required=True, help="one target")
    made.add_argument(
        "--input",
        metavar="X.npy",
        action="append",
        required=True,
        help="FILE, INDEX=FILE or NAME=FILE; repeat for several inputs",
    )
    made.add_argument(
        "--output",
        metavar="Y.npy",
        action="append",
        default=[],
        help="FILE, INDEX=FILE or NAME=FILE; repeat for several outputs",
    )
    made.add_argument("--stats", metavar="S.json", help="write instructions, stack, arena, sizes")
    made.add_argument("--port", metavar="TTY", help="a board's serial port, such as /dev/ttyACM0")

    made = command(
        "verify",
        "compare every target with the reference",
        "Build what is not built, run 16 random and 3 extreme inferences on every target, and\n"
        "compare each output byte with TFLite's reference kernels. A target whose emulator is\n"
        "missing here is not_checked, never passed.",
        "anvil verify                               every target of anvil.yaml",
        "anvil verify --target browser --layers     and which layer differs first",
    )
    project(made)
    targets(made)
    planning(made)
    jobs(made)
    made.add_argument(
        "--layers",
        action="store_true",
        help="also compare every layer, with a traced second build of each target",
    )

    made = command(
        "report",
        "write what fits where, and why, as one HTML file",
        "Build what is not built, and write one HTML file for every target: the choices that\n"
        "were looked at and the one taken, memory over time, flash by part, instructions by\n"
        "layer, accuracy by candidate, predictions beside measurements. It needs no network.",
        "anvil report                               every target, into build/report.html",
        "anvil report --target nrf52840 --out nrf52840.html",
    )
    project(made, out=False)
    targets(made)
    planning(made)
    jobs(made)
    made.add_argument(
        "--out", metavar="FILE", help="the file to write (default: build/report.html)"
    )

    made = command(
        "targets",
        "list the targets, or show one",
        "List the targets of the project's targets/ folder and the built-in ones, or show one.",
        "anvil targets",
        "anvil targets nrf52840                     memory, clock, toolchain, emulator",
    )
    project(made, out=False)
    made.add_argument("name", metavar="NAME", nargs="?", help="show this one in full")

    made = command(
        "doctor",
        "what this machine has and lacks",
        "Check compilers, emulators, browser runtime and cache, and say what installs the rest.",
        "anvil doctor",
    )

    made = command(
        "clean",
        "remove built targets",
        "Remove build/<target>/ of the given targets, and of no folder that Anvil did not build.",
        "anvil clean                                all that is built",
        "anvil clean --target rpi4",
    )
    project(made)
    targets(made)

    cache = commands.add_parser(
        "cache",
        help="statistics, verification and clean-up of the cache",
        description="The content-addressed store in the user's cache folder (ANVIL_CACHE_DIR).",
        allow_abbrev=False,
    )
    cache_commands = cache.add_subparsers(
        dest="cache_command", metavar="COMMAND", title="commands", required=True
    )
    command(
        "stat",
        "what the cache holds",
        "Count blobs and results.",
        "anvil cache stat",
        parent=cache_commands,
    )
    made = command(
        "gc",
        "drop what was used longest ago",
        "Drop the results used longest ago until the rest fits. What was written in the last\n"
        "hour stays, since a running build may hold it. Where the compilers' own caches are what\n"
        "is too large, they go as a whole, and the next build takes longer.",
        'anvil cache gc --max-size "500 MiB"',
        parent=cache_commands,
    )
    made.add_argument(
        "--max-size", metavar="SIZE", default="5 GiB", help="what to keep (default: 5 GiB)"
    )
    command(
        "verify",
        "hash every blob",
        "Hash every blob and remove the damaged, which are made again when needed.",
        "anvil cache verify",
        parent=cache_commands,
    )

    made = command(
        "completion",
        "print a shell's completion script",
        "Print the completion script for a shell; its rc file may evaluate it.",
        'eval "$(anvil completion bash)"            in ~/.bashrc',
        'eval "$(anvil completion zsh)"             in ~/.zshrc, after compinit',
    )
    made.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser
