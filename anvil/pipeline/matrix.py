"""anvil matrix and anvil ci init: the jobs of a continuous integration, and its files."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import __version__
from anvil.cache.location import user_store
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.executor_names import HERMETIC
from anvil.matrix import github
from anvil.matrix.gitlab import child_pipeline
from anvil.matrix.jobs import Listing, make_jobs
from anvil.matrix.template import fill, shell_words
from anvil.package.install import replace_file
from anvil.pipeline.events import Outcome
from anvil.pipeline.load import load_config
from anvil.resources import built_in, code_digest, contents, read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.matrix.jobs import Job

INSTALL = f"python -m pip install anvil-build=={__version__}"
# What Debian and Ubuntu call the emulators; Node.js runs what is built for browsers.
_EMULATORS = "qemu-system-arm qemu-system-misc qemu-user"
# What makes the root file system as an ordinary user, on Ubuntu, too.
_IMAGE_PACKAGES = "mmdebstrap bubblewrap uidmap debian-archive-keyring"
_FORMAT = 1


def list_jobs(projects: Sequence[Path], targets: Sequence[str] | None = None) -> tuple[Job, ...]:
    """Project by target; the folders are told relative to the current one.

    targets: those to list, in every project that has them. Raises AnvilError (exit 2) with all
    mistakes of all projects: a list that lacks one would be a CI that is green without it.
    """
    store, code = user_store(), code_digest()
    listings: list[Listing] = []
    problems: list[Diagnostic] = []
    for project in projects:
        try:
            loaded = load_config(store, project, code=code)
        except AnvilError as error:
            problems += error.diagnostics
            continue
        problems += [one for found in loaded.failures.values() for one in found]
        names = tuple(request.target.name for request in loaded.project.targets)
        folder = Path(os.path.relpath(project)).as_posix()
        listings.append(Listing(folder=folder, name=loaded.project.name, targets=names))
    known = list(dict.fromkeys(name for listing in listings for name in listing.targets))
    if targets is not None and not problems:
        problems += [_unknown(name, known) for name in targets if name not in known]
    if problems:
        raise AnvilError(*dict.fromkeys(problems))
    return tuple(job for job in make_jobs(listings) if targets is None or job.target in targets)


def _unknown(name: str, known: Sequence[str]) -> Diagnostic:
    near = difflib.get_close_matches(name, known, n=1)
    return Diagnostic(
        code="matrix.unknown-target",
        message=f"--target: no project has the target {name!r}; there is {', '.join(known)}",
        hint=f"did you mean {near[0]!r}?" if near else "add it to an anvil.yaml",
    )


def for_github(jobs: Sequence[Job], *, as_groups: bool) -> str:
    """A matrix on one line; a matrix of groups where asked for, or where one cannot hold them."""
    groups = github.split(jobs)
    if as_groups or len(groups) > 1:
        return github.as_line(github.matrix_of_groups(groups))
    return github.as_line(github.matrix(jobs))


def n_groups(jobs: Sequence[Job]) -> int:
    """How many matrices of GitHub the jobs need."""
    return len(github.split(jobs))


def for_gitlab(
    jobs: Sequence[Job], *, install: str, executor: str, mirrors: Sequence[str] = ()
) -> str:
    """A whole child pipeline; `mirrors` are Debian's, for the root file system."""
    head = _template("gitlab/jobs.yml", _values(install, executor, mirrors))
    return child_pipeline(jobs, head)


def as_document(jobs: Sequence[Job]) -> dict[str, object]:
    """The jobs for programs of one's own."""
    return {"format": _FORMAT, "jobs": [job.as_json() for job in jobs]}


def init(
    kind: str,
    projects: Sequence[Path],
    *,
    install: str,
    executor: str,
    mirrors: Sequence[str] = (),
    branch: str,
    force: bool,
) -> Outcome:
    """Write the files of one kind, github or gitlab, into the current folder.

    mirrors: of Debian, for the root file system. Raises AnvilError: exit 2 where the projects
    are wrong, a mirror is missing or a file is there with other contents, exit 1 where it cannot
    be written.
    """
    if kind == "github" and executor in HERMETIC and not mirrors:
        raise _no_mirror(executor)
    jobs = list_jobs(projects)
    # Where `.` is the only project the list stays as short as the command line was.
    folders = list(dict.fromkeys(job.project for job in jobs))
    arguments = shell_words("--project", folders if folders != ["."] else [])
    if kind == "gitlab":
        chosen = {"--install": install} if install != INSTALL else {}
        chosen |= {"--executor": executor} if executor != "auto" else {}
        arguments += "".join(shell_words(option, [value]) for option, value in chosen.items())
        arguments += shell_words("--mirror", mirrors)
    values = {**_values(install, executor, mirrors), "ARGUMENTS": arguments, "BRANCH": branch}
    names = {
        "github": ("anvil.yml", "anvil-group.yml", "anvil-comment.yml"),
        "gitlab": ("anvil.yml",),
    }[kind]
    folder = Path(".github/workflows" if kind == "github" else ".gitlab")
    files = {folder / name: _template(f"{kind}/{name}", values).encode() for name in names}
    written = _write(files, force=force)
    return Outcome(
        details={"files": [str(path) for path in files], "written": written},
        text=(
            *(f"written: {path}" for path in written),
            f"{len(jobs)} jobs of {len(folders)} project{'s' * (len(folders) != 1)}"
            + ("" if written else "; every file is as it should be"),
        ),
    )


def _no_mirror(executor: str) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="ci.mirror",
            message=f"--executor {executor} makes a root file system of Debian's packages, and "
            "the apt of GitHub's runners knows Ubuntu's mirror alone",
            hint="name Debian's, as in a sources.list: --mirror https://HOST/debian "
            "--mirror https://HOST/debian-security",
        )
    )


def _values(install: str, executor: str, mirrors: Sequence[str]) -> dict[str, str]:
    step = script = ""
    if executor in HERMETIC:
        make = f"anvil image build --if-missing{shell_words('--mirror', mirrors)} --project"
        packages = f"apt-get install --yes --no-install-recommends {_IMAGE_PACKAGES}"
        step = (
            "      - name: Make the root file system, unless the cache has it\n"
            # Ubuntu lets nobody but root make the namespaces that this and the sandbox need.
            "        run: |\n"
            "          sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0\n"
            f'          sudo {packages}\n          {make} "$PROJECT"\n'
        )
        script = f'    - {packages}\n    - |\n      {make} "$ANVIL_PROJECT"\n'
    return {
        "VERSION": __version__,
        "INSTALL": install.strip(),
        "EXECUTOR": executor,
        "PACKAGES": _EMULATORS,
        "IMAGE_STEP": step,
        "IMAGE_SCRIPT": script,
    }


def _template(name: str, values: Mapping[str, str]) -> str:
    return fill(contents(read_folder(built_in("templates") / "ci"))[name].decode(), values)


def _write(files: Mapping[Path, bytes], *, force: bool) -> list[str]:
    changed, problems = [], []
    for path, content in files.items():
        try:
            former = path.read_bytes()
        except FileNotFoundError:
            changed.append(path)
            continue
        except OSError as error:
            problems.append(_in_the_way(path, f"cannot be read: {error.strerror}"))
            continue
        if former == content:
            continue
        changed.append(path)
        if not force:
            problems.append(_in_the_way(path, "is there, with other contents"))
    if problems:
        raise AnvilError(*problems)
    for path in changed:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, files[path])
        except OSError as error:
            raise AnvilError(
                Diagnostic(
                    code="ci.unwritable",
                    message=f"cannot write {path}: {error.strerror or error}",
                    file=str(path),
                    hint="run it where the repository's folder can be written",
                ),
                exit_code=ExitCode.FAILED,
            ) from error
    return [str(path) for path in changed]


def _in_the_way(path: Path, why: str) -> Diagnostic:
    return Diagnostic(
        code="ci.exists",
        message=f"{path} {why}",
        file=str(path),
        hint="move it away, or overwrite it with --force",
    )
