"""Commands for continuous integration: matrix, ci init, diff."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_targets
from anvil.commands.parser import add_command, add_group, positive
from anvil.core.executor_names import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anvil.pipeline.events import Outcome


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "diff",
        "what changed per target: bytes, instructions, accuracy",
        "Compare two builds, plans or releases, target by target. A side is a plan.json,\n"
        "measured.json or manifest.json, a target's folder, or a folder of such folders: build/\n"
        "or dist/. What was measured comes before what was predicted; what is not known is told\n"
        "as unknown. The exit code is 0 whatever changed, unless --fail-on says otherwise.",
        "anvil diff ../before/build build            every target of two builds",
        "anvil diff build/rpi4 build/nrf52840        two boards",
        "anvil diff base head --format markdown      for a comment",
        'anvil diff base head --fail-on "flash>1%" --fail-on "ram>2 KiB"',
        handler=_diff,
    )
    made.add_argument("base", metavar="BASE", help="what was")
    made.add_argument("head", metavar="HEAD", help="what is")
    made.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        default="text",
        help="what to print on stdout (default: text)",
    )
    made.add_argument(
        "--fail-on",
        metavar="NAME>AMOUNT",
        action="append",
        default=[],
        help="exit with 1 where flash, ram, instructions, latency, accuracy or another quantity "
        "became worse by more than a share (1%%) or an amount (2 KiB, 0.5 ms, 1000); repeatable",
    )
    made.add_argument(
        "--max-bytes",
        metavar="N",
        type=positive,
        help="shorten the markdown to so many bytes, as a comment takes them",
    )

    made = add_command(
        commands,
        "matrix",
        "list the jobs of a CI: project by target",
        "List one job for each target of each project, as a CI takes it: for GitHub a matrix\n"
        "that fromJSON reads, for GitLab a child pipeline. Names stay when projects or targets\n"
        "are added. Beyond 256 jobs GitHub's are groups of at most 256, for a reusable workflow.\n"
        "A mistake in any project is exit code 2 and no list. Run it at the repository's root.",
        "anvil matrix --format github",
        "anvil matrix --format github --groups --project digits --project kws",
        "anvil matrix --format gitlab --target nrf52840,rpi4",
        handler=_matrix,
    )
    _add_projects(made)
    add_targets(made)
    made.add_argument(
        "--format",
        choices=("github", "gitlab", "json"),
        required=True,
        help="whose jobs; json: for programs of your own",
    )
    made.add_argument(
        "--groups",
        action="store_true",
        help="github: groups of jobs also where one matrix holds them all",
    )
    _add_making(made, "gitlab: ")

    ci_commands = add_group(
        commands,
        "ci",
        "files for a continuous integration",
        "Workflows that build every target with --locked, verify it, keep the artifacts, and\n"
        "tell on a pull request what changed per board.",
    )
    made = add_command(
        ci_commands,
        "init",
        "write the workflows of GitHub or the pipeline of GitLab",
        "Write .github/workflows/anvil*.yml or .gitlab/anvil.yml. They list the jobs anew in\n"
        "every run. A file that is there with other contents stays, unless --force is given.\n"
        "Run it at the repository's root.",
        "anvil ci init github",
        "anvil ci init github --executor sandbox --mirror https://HOST/debian",
        'anvil ci init gitlab --install "python -m pip install -r ci/anvil.txt"',
        handler=_init,
    )
    made.add_argument("kind", choices=("github", "gitlab"), help="whose files")
    _add_projects(made)
    _add_making(made, "")
    made.add_argument(
        "--branch",
        metavar="NAME",
        type=_branch,
        default="main",
        help="github: the branch whose runs write the cache (default: main)",
    )
    made.add_argument("--force", action="store_true", help="overwrite files that differ")


def _add_projects(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--project",
        metavar="DIR",
        action="append",
        help="a folder of an anvil.yaml; repeatable (default: .)",
    )


def _add_making(made: argparse.ArgumentParser, whose: str) -> None:
    made.add_argument(
        "--install",
        metavar="COMMAND",
        type=_one_line,
        help=f"{whose}what installs Anvil in a job (default: pip install of this version)",
    )
    made.add_argument(
        "--executor",
        choices=NAMES,
        default="auto",
        help=f"{whose}where the jobs' compilers run (default: auto); docker and sandbox make "
        "the root file system first",
    )
    made.add_argument(
        "--mirror",
        metavar="URL",
        type=_mirror,
        action="append",
        default=[],
        help=f"{whose}where its Debian packages come from, as of `anvil image build`; repeatable "
        "(default: what apt of the job's machine says, which on GitHub's is not Debian)",
    )


def _one_line(word: str) -> str:
    if not word.strip() or not word.isprintable() or "${{" in word:
        msg = f"takes a command on one line, without ${{{{, found {word[:40]!r}"
        raise argparse.ArgumentTypeError(msg)
    return word


def _mirror(word: str) -> str:
    import re

    if not re.fullmatch(r"[a-z][a-z0-9+]*:/[A-Za-z0-9._~:/@%+-]+", word):
        msg = f"takes an address such as https://HOST/debian, found {word[:40]!r}"
        raise argparse.ArgumentTypeError(msg)
    return word


def _branch(word: str) -> str:
    import re

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}", word):
        msg = f"takes a branch's name of A-Z, a-z, 0-9, '.', '_', '/' and '-', found {word[:40]!r}"
        raise argparse.ArgumentTypeError(msg)
    return word


def _projects(arguments: argparse.Namespace) -> Sequence[Path]:
    from pathlib import Path

    return [Path(project) for project in arguments.project or ["."]]


def _diff(arguments: argparse.Namespace) -> Outcome:
    import json
    from dataclasses import replace
    from pathlib import Path

    from anvil.pipeline.diff import diff

    outcome, forms = diff(
        Path(arguments.base),
        Path(arguments.head),
        fail_on=arguments.fail_on,
        max_bytes=arguments.max_bytes,
    )
    if arguments.json:
        return outcome
    if arguments.format == "json":
        document = {"format": 1, "targets": [one.as_json() for one in outcome.targets]}
        _print(json.dumps(document, indent=2) + "\n")
    else:
        _print(forms[arguments.format])
    # The table has said it all.
    return replace(outcome, targets=())


def _matrix(arguments: argparse.Namespace) -> Outcome:
    import json

    from anvil.pipeline import matrix
    from anvil.pipeline.events import Outcome

    jobs = matrix.list_jobs(_projects(arguments), arguments.target)
    document = matrix.as_document(jobs)
    text: tuple[str, ...] = ()
    if arguments.format == "github":
        listed = matrix.for_github(jobs, as_groups=arguments.groups)
        n_groups = matrix.n_groups(jobs)
        if n_groups > 1:
            text = (f"{len(jobs)} jobs in {n_groups} groups, each a matrix of at most 256",)
    elif arguments.format == "gitlab":
        listed = matrix.for_gitlab(
            jobs,
            install=arguments.install or matrix.INSTALL,
            executor=arguments.executor,
            mirrors=arguments.mirror,
        )
    else:
        listed = json.dumps(document, indent=2) + "\n"
    if not arguments.json:
        _print(listed)
    return Outcome(details={"jobs": document["jobs"]}, text=text)


def _init(arguments: argparse.Namespace) -> Outcome:
    from anvil.pipeline import matrix

    return matrix.init(
        arguments.kind,
        _projects(arguments),
        install=arguments.install or matrix.INSTALL,
        executor=arguments.executor,
        mirrors=arguments.mirror,
        branch=arguments.branch,
        force=arguments.force,
    )


def _print(text: str) -> None:
    # Names may hold what the locale cannot show.
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
