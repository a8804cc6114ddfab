"""Children are fed, bounded in time, and killed with their children."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from anvil import process

_ENVIRONMENT = {"PATH": os.environ["PATH"]}
_SLOW_READER = "import sys, time; time.sleep(0.5); print(len(sys.stdin.buffer.read()))"
_GRANDCHILD = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "open('pid', 'w').write(str(child.pid))\n"
    "print('started', flush=True)\n"
    "time.sleep(60)\n"
)


def _run(
    folder: Path,
    code: str,
    *,
    stdin: bytes = b"",
    timeout_s: float = 30.0,
    cancellation: process.Cancellation | None = None,
) -> process.Completed:
    return process.run(
        [sys.executable, "-c", code],
        cwd=folder,
        environment=_ENVIRONMENT,
        stdin=stdin,
        timeout_s=timeout_s,
        cancellation=cancellation,
    )


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_more_input_than_a_pipe_holds_reaches_a_slow_reader(tmp_path: Path) -> None:
    completed = _run(tmp_path, _SLOW_READER, stdin=bytes(5_000_000))
    assert completed.stdout == b"5000000\n"
    assert completed.returncode == 0


def test_only_the_given_environment_is_seen(tmp_path: Path) -> None:
    code = "import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'))"
    assert _run(tmp_path, code).stdout == b"['PATH']\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_timeout_kills_the_grandchildren_too(tmp_path: Path) -> None:
    completed = _run(tmp_path, _GRANDCHILD, timeout_s=1.5)
    assert completed.timed_out
    assert completed.stdout == b"started\n"
    assert _is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_cancellation_kills_and_interrupts(tmp_path: Path) -> None:
    cancellation = process.Cancellation()
    threading.Timer(1.0, cancellation.cancel).start()
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, _GRANDCHILD, cancellation=cancellation)
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_no_child_sees_the_signing_key_whatever_a_caller_hands_on(tmp_path: Path) -> None:
    completed = process.run(
        [sys.executable, "-c", "import os; print(sorted(k for k in os.environ if 'ANVIL' in k))"],
        cwd=tmp_path,
        environment={**_ENVIRONMENT, "ANVIL_SIGNING_KEY": "secret", "ANVIL_CACHE_DIR": "/c"},
        timeout_s=30.0,
    )
    assert completed.stdout == b"['ANVIL_CACHE_DIR']\n"
