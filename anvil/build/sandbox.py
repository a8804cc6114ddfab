"""The sandbox executor: bubblewrap over the unpacked root file system, without an engine.

It needs no privilege where the kernel gives user namespaces to everybody. What it does not do
is to limit memory and processes, which takes control groups.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from anvil import process
from anvil.build.ending import SHORT_OF_MEMORY, describe
from anvil.build.isolated import HOST_NAME, Ended, IsolatedExecutor, Job
from anvil.build.root import INPUT, OUTPUT, PATH, PREPARED, TOOL_CACHE
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

_PROGRAM = "bwrap"
_TMPFS_BYTES = 2 * 1024**3
_PROBE_TIMEOUT_S = 30
_NAMESPACES = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)
# Made anew inside, or nothing of the root's.
_OWN_FOLDERS = frozenset({"anvil", "dev", "proc", "sys", "tmp"})


class SandboxExecutor(IsolatedExecutor):
    """Runs actions in namespaces of their own over a root file system."""

    @property
    def name(self) -> str:
        """As `--executor` names it."""
        return "sandbox"

    @property
    def notice(self) -> str:
        """How far it is hermetic."""
        return f"bubblewrap over the root file system {self._root.image.sha256[:12]}, no network"

    def _start(self, job: Job) -> Ended:
        try:
            completed = process.run(
                [find_bubblewrap(), *_arguments(job, self._root.unpacked())],
                cwd=job.output,
                environment={},
                timeout_s=job.timeout_s,
                cancellation=self._cancellation,
            )
        except OSError as error:
            raise _unusable(f"cannot start {_PROGRAM}: {error.strerror}") from error
        log = (completed.stdout + completed.stderr).decode(errors="replace")
        if completed.timed_out:
            return Ended(log=log, problem=f"took longer than {job.timeout_s} s and was ended")
        problem = describe(completed.returncode)
        return Ended(log=log, problem=problem, hint=SHORT_OF_MEMORY, exit_code=completed.returncode)


def _arguments(job: Job, root: Path) -> list[str]:
    words = [
        *_NAMESPACES,
        # No process outlives us: the namespace's first one dies with bubblewrap, and takes all.
        "--die-with-parent",
        "--new-session",
        *("--hostname", HOST_NAME),
        *("--uid", str(job.user), "--gid", str(job.user)),
        *("--cap-drop", "ALL"),
        "--clearenv",
        *("--setenv", "PATH", PATH),
    ]
    # Entry by entry, so that folders to mount on can be made beside them.
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if entry.is_symlink():
            words += ["--symlink", str(Path(entry.path).readlink()), f"/{entry.name}"]
        elif entry.name not in _OWN_FOLDERS:
            words += ["--ro-bind", entry.path, f"/{entry.name}"]
    words += ["--dev", "/dev", "--proc", "/proc"]
    words += ["--ro-bind", str(job.input), INPUT, "--bind", str(job.output), OUTPUT]
    if job.prepared is not None:
        words += ["--ro-bind", str(job.prepared), PREPARED]
    for folder in (job.work, TOOL_CACHE):
        words += _in_memory(folder)
    return [*words, "--remount-ro", "/", "--chdir", "/", "--", "/bin/sh", "-c", job.script]


def _in_memory(folder: str) -> list[str]:
    return ["--perms", "0755", "--size", str(_TMPFS_BYTES), "--tmpfs", folder]


def find_bubblewrap() -> str:
    """The program's path. Raises AnvilError (exit 1) where it is not installed."""
    found = shutil.which(_PROGRAM)
    if found is None:
        raise _unusable("bubblewrap is not installed", hint="apt-get install bubblewrap")
    return found


def check_sandbox() -> None:
    """Raise AnvilError (exit 1) where this machine cannot make a sandbox, with the reason."""
    words = [find_bubblewrap(), *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc"]
    words += _in_memory("/tmp")  # noqa: S108  also asks for the newest of the options in use
    try:
        completed = process.run(
            [*words, "--", "/bin/sh", "-c", "exit 0"],
            cwd=Path("/"),
            environment={},
            timeout_s=_PROBE_TIMEOUT_S,
        )
    except OSError as error:
        raise _unusable(f"cannot start {_PROGRAM}: {error.strerror}") from error
    if completed.returncode != 0:
        lines = completed.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].removeprefix(f"{_PROGRAM}: ") if lines else "it ends without a word"
        if any("Unknown option" in line for line in lines):
            raise _unusable(
                "this machine's bubblewrap is too old to limit a folder in memory",
                hint="install version 0.7 of 2022 or a newer one, or choose --executor docker",
            )
        raise _unusable(
            f"this machine does not let bubblewrap make a sandbox: {reason}",
            hint="allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
            "user.max_user_namespaces above 0, and AppArmor's "
            "kernel.apparmor_restrict_unprivileged_userns=0), or choose --executor docker",
        )


def _unusable(message: str, hint: str = "check the installation of bubblewrap") -> AnvilError:
    return AnvilError(
        Diagnostic(code="sandbox.unusable", message=message, hint=hint), exit_code=ExitCode.FAILED
    )
