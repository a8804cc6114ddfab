"""Child processes that end when we do: one session each, killed whole.

Only build/ and verify/ import this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A private key's text. No child signs anything, so that none is to see it, whichever environment
# a caller hands on.
NEVER_PASSED_ON = "ANVIL_SIGNING_KEY"

_POLL_S = 0.05
_PROCESSES = Path("/proc")
# How often a session is searched again for children that were started meanwhile.
_KILL_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a child ended. `returncode` is negative for a signal, as in subprocess."""

    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool


class Cancellation:
    """A flag that several threads share: once set, every child of theirs is killed."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask every running child to be killed; each `run` then raises KeyboardInterrupt."""
        self._event.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()


def interrupt_on_termination() -> None:
    """Make SIGTERM and a closed terminal end us as Ctrl-C does: children killed, all tidy."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # What nohup told to ignore stays ignored.
    if os.name == "posix" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)


def kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that is not yet waited for, and everything in its session.

    Ninja gives every compiler a process group of its own, so that the child's group alone
    would leave them running; none leaves the session. Where there is no /proc, the group has
    to do.
    """
    if os.name != "posix":
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(_KILL_ROUNDS):
        members = _session(child.pid)
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _session(leader: int) -> list[int]:
    """The processes that live in the session of `leader`, by /proc; the dead do not count."""
    members = []
    for status in _PROCESSES.glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; state, parent, group, session follow.
            state, _, _, session = status.read_bytes().rpartition(b")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(session) == leader and state not in {b"Z", b"X"}:
            members.append(int(status.parent.name))
    return members


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float,
    cancellation: Cancellation | None = None,
    umask: int = -1,
    user: int | None = None,
    grace_s: float = 0.0,
) -> Completed:
    """Run a child to its end, its output kept apart in memory.

    The child leads a session of its own, so that Ctrl-C reaches it through us alone
    and a timeout kills its children too. `umask` is -1 for ours; `user` is its uid and gid where
    we are root, and no other group is left to it; `grace_s` is how long it may take to end by
    itself when asked to, before it is killed. Raises FileNotFoundError or PermissionError where
    the program cannot be started, KeyboardInterrupt when cancelled.
    """
    if cancellation is not None and cancellation.is_cancelled:
        raise KeyboardInterrupt
    # A file, not a pipe: `communicate` called again after a timeout stops feeding a pipe.
    with tempfile.TemporaryFile() as source:
        source.write(stdin)
        source.seek(0)
        child = subprocess.Popen(  # noqa: S603  callers pass argument lists, never a shell line
            list(argv),
            cwd=cwd,
            env={key: value for key, value in environment.items() if key != NEVER_PASSED_ON},
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=umask,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    deadline = time.monotonic() + timeout_s
    try:
        while True:
            try:
                stdout, stderr = child.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if cancellation is not None and cancellation.is_cancelled:
                    raise KeyboardInterrupt from None
                timed_out = time.monotonic() > deadline
                if not timed_out:
                    continue
                _end(child, grace_s)
                stdout, stderr = child.communicate()
            else:
                timed_out = False
            return Completed(
                returncode=child.returncode, stdout=stdout, stderr=stderr, timed_out=timed_out
            )
    except BaseException:
        _end(child, grace_s)
        child.communicate()
        raise


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a child to end where it is given time for it, and kill what is left."""
    try:
        if grace_s and os.name == "posix":
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=grace_s)
    finally:
        kill_tree(child)
