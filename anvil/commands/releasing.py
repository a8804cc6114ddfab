"""The command that makes a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anvil.commands.options import add_executor, add_jobs, add_targets
from anvil.commands.parser import add_command

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from anvil.pipeline.events import Listener, Outcome
    from anvil.pipeline.workspace import Workspace


def add(commands: Any) -> None:  # noqa: ANN401  argparse has no public name for it
    """The words of this group's commands."""
    made = add_command(
        commands,
        "release",
        "build twice, verify, sign: a folder that anyone can check and rebuild",
        "Build every target twice, in other folders, under another umask, locale, time zone, user\n"
        "and clock, with nothing shared between the two. Where every byte agrees and every target\n"
        "passes `anvil verify`, write dist/: artifacts, plans, verification reports, checksums,\n"
        "anvil.lock, a bill of materials (CycloneDX 1.6) and signed provenance (SLSA 1.0).\n\n"
        "The project is held to its anvil.lock. The key is Ed25519, as a PEM file or as its text\n"
        "in ANVIL_SIGNING_KEY; it signs MCUboot's images, too.",
        "anvil release --generate-key release-key.pem   once: the key, and its public half",
        "anvil release --key release-key.pem            every target of anvil.yaml, into dist/",
        "anvil release --executor host              the key is in ANVIL_SIGNING_KEY",
        handler=_release,
    )
    made.add_argument(
        "--project", metavar="DIR", default=".", help="the folder of anvil.yaml (default: .)"
    )
    add_targets(made)
    made.add_argument(
        "--out", metavar="DIR", help="where the release goes (default: dist/ in the project)"
    )
    made.add_argument(
        "--key", metavar="FILE", help="the private key (default: the text in ANVIL_SIGNING_KEY)"
    )
    made.add_argument(
        "--generate-key",
        metavar="FILE",
        help="make a private key in FILE, the public one beside it, and nothing else",
    )
    made.add_argument(
        "--allow-unchecked",
        action="store_true",
        help="release targets that cannot be verified on this machine; verify.json says so",
    )
    made.add_argument(
        "--allow-unsafe-model",
        action="store_true",
        help="load a Keras model that holds code of its own (Lambda layers, custom objects)",
    )
    add_executor(made)
    add_jobs(made)
    # A release is what anvil.yaml says, and nothing that was said beside it.
    made.set_defaults(no_rewrite=[], optimize=None, locked=True)


def _release(arguments: argparse.Namespace) -> Outcome:
    from dataclasses import replace
    from pathlib import Path

    from anvil.commands.workspace import with_workspace
    from anvil.pipeline.signing_key import read_signing_key

    if arguments.generate_key is not None:
        return _generate(Path(arguments.generate_key))
    key, warnings = read_signing_key(None if arguments.key is None else Path(arguments.key))
    project = Path(arguments.project)
    out = project / "dist" if arguments.out is None else Path(arguments.out)
    arguments.out = None  # targets go into folders of their own first

    def work(workspace: Workspace, listener: Listener, n_jobs: int) -> Outcome:
        from anvil.pipeline.release import ReleaseRequest, release

        request = ReleaseRequest(
            out=out,
            key=key,
            executor=arguments.executor,
            allow_unchecked=arguments.allow_unchecked,
            asked=arguments.target,
        )
        return release(workspace, listener, n_jobs, request)

    _, outcome = with_workspace(arguments, work)
    return replace(outcome, diagnostics=(*warnings, *outcome.diagnostics))


def _generate(file: Path) -> Outcome:
    from anvil.pipeline.events import Outcome
    from anvil.pipeline.signing_key import generate_key

    public = generate_key(file)
    return Outcome(
        details={"private_key": str(file), "public_key": str(public)},
        text=(
            f"private key: {file}; keep it secret, and a copy of it somewhere safe",
            f"public key: {public}; give it to whoever checks your releases",
        ),
    )
