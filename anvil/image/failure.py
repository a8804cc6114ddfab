"""The ways in which making an image fails, said in one place."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anvil.process import Completed

_LAST_LINES = 15
# The system's words, and apt's before it tries.
_FULL = ("No space left on device", "You don't have enough free space in")
# What mmdebstrap tells of its steps.
_INFORMATION = "I: "


def failed(code: str, message: str, hint: str | None = None) -> AnvilError:
    """Something that this machine or the mirror lacks: exit 1."""
    return AnvilError(
        Diagnostic(code=f"image.{code}", message=message, hint=hint), exit_code=ExitCode.FAILED
    )


def wrong(code: str, message: str, *, file: str, hint: str | None = None) -> AnvilError:
    """A file that was given is not what it should be: exit 2."""
    return AnvilError(Diagnostic(code=f"image.{code}", message=message, file=file, hint=hint))


def full_disk(where: str) -> AnvilError:
    """A disk that is full while an image is made."""
    return failed(
        "disk-full",
        f"no space is left on the disk of {where} (an image needs about 3 GB while it is made)",
        "free some space, or name another folder in ANVIL_CACHE_DIR, and in TMPDIR where another "
        "user than root builds",
    )


def check(completed: Completed, what: str, *, code: str, where: str, hint: str) -> None:
    """Raise AnvilError (exit 1) with a program's last lines where it failed."""
    log = (completed.stdout + completed.stderr).decode(errors="replace")
    # Also of a program that went on without what it could not write.
    if any(words in log for words in _FULL):
        raise full_disk(where)
    if completed.returncode == 0 and not completed.timed_out:
        return
    how = "took too long" if completed.timed_out else "failed"
    lines = [
        line for line in log.splitlines() if line.strip() and not line.startswith(_INFORMATION)
    ]
    shown = "\n".join(f"  {line}" for line in lines[-_LAST_LINES:])
    raise failed(code, f"{what} {how}" + (f":\n{shown}" if shown else ""), hint)


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """What the system refuses becomes an AnvilError (exit 1)."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise full_disk(where) from error
        raise failed("unwritable", f"cannot work in {where}: {error.strerror or error}") from error
