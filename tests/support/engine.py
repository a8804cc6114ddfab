"""The Docker engine of the tests: the one that runs, or one of their own.

Root may start an engine: with its own data, socket and process file in a temporary folder,
beside whatever else the machine runs. conftest.py stops it at the end, however that comes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from anvil.build.docker import check_docker
from anvil.core.diagnostics import AnvilError
from tests.support.programs import MISSING
from tests.system_packages import PACKAGES, find

_PROGRAM = "dockerd"
_START_S = 60
_STOP_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that the tests started."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"


_own: list[Engine] = []
_absence: list[str] = []


def require_engine() -> None:
    """An engine that DOCKER_HOST or the default leads to, or a skip that is counted."""
    if _own or is_reachable():
        return
    if not _absence:
        reason = _start_own()
        if reason is None:
            return
        _absence.append(reason)
    pytest.skip(f"{MISSING}a Docker engine ({_absence[0]})")


def is_reachable() -> bool:
    """Whether a usable engine answers."""
    try:
        check_docker()
    except AnvilError:
        return False
    return True


def _start_own() -> str | None:
    if os.geteuid() != 0:
        return "none runs, and only root may start one"
    if find(_PROGRAM) is None:
        return f"Debian package {PACKAGES[_PROGRAM]}"
    engine = start_engine()
    os.environ["DOCKER_HOST"] = f"unix://{engine.socket}"
    if wait_for(engine):
        _own.append(engine)
        return None
    del os.environ["DOCKER_HOST"]
    log = (engine.folder / "log").read_text(encoding="utf-8", errors="replace")
    stop_engine(engine)
    return f"dockerd does not start here: {' '.join(log.split()[-30:])}"


def start_engine() -> Engine:
    """Start an engine of our own; `wait_for` says when it answers."""
    program = find(_PROGRAM)
    assert program is not None
    # A path of a socket has room for a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="anvil-engine-"))
    engine_log = (folder / "log").open("wb")
    words = [
        str(program),
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid"), "--host", f"unix://{folder / 'docker.sock'}"),
        "--iptables=false",
        "--bridge=none",
    ]
    # Where even the end of the tests is killed, the kernel ends the engine.
    guard = shutil.which("setpriv")
    with engine_log:
        process = subprocess.Popen(
            [guard, "--pdeathsig", "TERM", *words] if guard else words,
            stdin=subprocess.DEVNULL,
            stdout=engine_log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        )
    return Engine(process=process, folder=folder)


def wait_for(engine: Engine) -> bool:
    """Whether the engine has come to answer."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and engine.process.poll() is None:
        if engine.socket.exists() and is_reachable():
            return True
        time.sleep(0.1)
    return False


def stop_engine(engine: Engine) -> None:
    """End an engine with all that it runs, and remove its folder."""
    engine.process.terminate()
    try:
        engine.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        engine.process.kill()
        engine.process.wait()
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        where = line.split(" ")[1]
        if where.startswith(f"{engine.folder}/"):
            subprocess.run(["umount", "--lazy", where], check=False)
    shutil.rmtree(engine.folder, ignore_errors=True)


def stop_own() -> None:
    """Stop the engine that `require_engine` started, if it did."""
    while _own:
        stop_engine(_own.pop())
