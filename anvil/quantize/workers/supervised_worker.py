"""What every worker does around its work: a child does it, and this process says how it went.

Converters and quantizers are native code that prints what it likes and can abort. So a
worker's main process starts the worker again as a child whose every word goes into
a log file. Where the child ends well that file is one of the action's outputs. Where it does
not, the log's end goes to stderr and after it one line of JSON, `{"code", "message", "hint"}`,
which `anvil.quantize.failure` reads.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOG = "log.txt"
CHILD = "--child"
_REASON = "reason.json"
_LAST_LINES = 20


class RefusalError(Exception):
    """The work cannot be done, for a reason that the user can act on."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def run_supervised(
    program: str, argv: Sequence[str], work: Callable[[Sequence[str]], None], what: str
) -> int:
    """Run `work(argv)` in a child of this process; the exit code, 0 or 1.

    `program` is the calling script, `what` the sentence's subject where the child crashes,
    such as `TensorFlow`.
    """
    if argv and argv[0] == CHILD:
        return _work(argv[1:], work)
    with Path(LOG).open("wb") as log:
        child = subprocess.run(
            [sys.executable, "-I", program, CHILD, *argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if child.returncode == 0:
        return 0
    lines = Path(LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    sys.stderr.write("\n".join(lines[-_LAST_LINES:]) + "\n")
    reason = _crash(child.returncode, what)
    with contextlib.suppress(OSError, ValueError):
        reason = json.loads(Path(_REASON).read_bytes())
    sys.stderr.write(json.dumps(reason) + "\n")
    return 1


def _work(argv: Sequence[str], work: Callable[[Sequence[str]], None]) -> int:
    _forbid_core_dump()
    try:
        work(argv)
    except RefusalError as error:
        reason = {"code": error.code, "message": error.message, "hint": error.hint}
        Path(_REASON).write_text(json.dumps(reason), encoding="utf-8")
        return 1
    return 0


def _crash(returncode: int, what: str) -> dict[str, str]:
    how = f"ended with exit code {returncode}"
    if returncode < 0:
        name = str(-returncode)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-returncode).name
        how = f"crashed ({name})"
    return {
        "code": "crashed",
        "message": f"{what} {how} on this model",
        "hint": "its last words are above; the model may be damaged or hold what it cannot take",
    }


def _forbid_core_dump() -> None:
    # A crash is an expected answer here; gigabytes of memory image are not.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  POSIX only

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
