"""What is wrong with a Docker engine or an image, and what is said of it."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anvil.build import engine
from anvil.build.docker import DockerExecutor, Limits, check_docker
from anvil.cache.store import Store
from anvil.core.action import Action
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.process import Cancellation
from tests.contract.test_executors import containers
from tests.support.engine import require_engine, start_engine, stop_engine, wait_for
from tests.support.programs import MISSING
from tests.support.roots import require_root

_SLEEP = "import sys, time\nprint('it began')\nsys.stdout.flush()\ntime.sleep(100)"


def problem_of(error: AnvilError) -> Diagnostic:
    (diagnostic,) = error.diagnostics
    assert error.exit_code is ExitCode.FAILED
    assert diagnostic.hint
    return diagnostic


def check_unusable(address: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(AnvilError) as caught:
        check_docker()
    diagnostic = problem_of(caught.value)
    assert diagnostic.code == "docker.unusable"
    for word in words:
        assert word in f"{diagnostic.message} ({diagnostic.hint})"


def action_of(store: Store, code: str) -> Action:
    return Action(
        kind="test",
        argv=("{python}", "-I", "main.py"),
        environment=(),
        inputs=store.put_tree({"main.py": code.encode()}, frozenset()),
        tools=(),
        outputs=("out",),
        timeout_s=60,
    )


def executor_of(store: Store, limits: Limits = Limits()) -> DockerExecutor:  # noqa: B008  frozen
    require_engine()
    return DockerExecutor(
        store=store, cancellation=Cancellation(), root=require_root(), limits=limits
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"unix://{tmp_path / 'no.sock'}"
    check_unusable(nowhere, monkeypatch, "no Docker engine answers", "systemctl start docker")


def test_an_engine_of_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    check_unusable("tcp://192.0.2.1:2375", monkeypatch, "folders of this machine", "unix://")


def test_an_engine_that_this_user_may_not_speak_to(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip(f"{MISSING}root, to become another user")
    with serving(tmp_path / "e.sock", "1.41"):
        (tmp_path / "e.sock").chmod(0o600)
        code = (
            "import os, sys\n"
            "from anvil.build import engine\n"
            "from anvil.core.diagnostics import AnvilError\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try:\n"
            "    engine.connect()\n"
            "except AnvilError as error:\n"
            "    sys.exit(error.diagnostics[0].message + ' ' + error.diagnostics[0].hint)\n"
        )
        # A folder that everybody reaches: the socket's own mode is what is in the way.
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_mode & 0o001 == 0:
                folder.chmod(folder.stat().st_mode | 0o011)
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path / 'e.sock'}"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert "this user may not speak to the Docker engine" in ended.stderr
    assert "usermod -aG docker" in ended.stderr


class serving:  # noqa: N801  read as `with serving(...):`
    """A server on a socket that says what version of the interface it speaks."""

    def __init__(self, path: Path, version: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"ApiVersion": version, "Version": "1.13"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

            def address_string(self) -> str:
                return "a socket"

        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)

    def __enter__(self) -> None:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_an_old_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "e.sock", "1.24"):
        address = f"unix://{tmp_path / 'e.sock'}"
        check_unusable(address, monkeypatch, "speaks version 1.24", "1.40 is needed", "update")


def test_an_image_of_the_name_with_other_content_is_replaced(store: Store, tmp_path: Path) -> None:
    executor, root = executor_of(store), require_root()
    client = engine.connect()
    other = tmp_path / "other.tar"
    subprocess.run(["tar", "-cf", other, "-C", tmp_path, "--files-from", "/dev/null"], check=True)
    name = f"{engine.REPOSITORY}:{root.image.sha256}"
    client.import_image(src=str(other), repository=engine.REPOSITORY, tag=root.image.sha256)
    action = action_of(store, "open('out', 'w').write('x')")
    assert store.get_tree(executor.run(action)) == {"out": b"x"}
    layers = client.inspect_image(name)["RootFS"]["Layers"]
    assert layers == [f"sha256:{root.image.sha256}"]
    client.close()


def test_a_tar_that_is_not_what_its_digest_says_is_refused(store: Store, tmp_path: Path) -> None:
    require_engine()
    root, tar = require_root(), tmp_path / "root.tar"
    subprocess.run(["tar", "-cf", tar, "-C", tmp_path, "--files-from", "/dev/null"], check=True)
    wrong = replace(root, tar=tar, image=replace(root.image, sha256="5a" * 32))
    executor = DockerExecutor(store=store, cancellation=Cancellation(), root=wrong)
    with pytest.raises(AnvilError, match="not what its SHA-256 says") as caught:
        executor.run(action_of(store, ""))
    assert problem_of(caught.value).code == "image.damaged"
    client = engine.connect()
    assert client.images(name=f"{engine.REPOSITORY}:{'5a' * 32}") == []
    client.close()


def test_a_lack_of_memory_is_said(store: Store) -> None:
    executor = executor_of(store, Limits(memory_bytes=48 * 1024**2))
    code = "print('it began', flush=True)\nx = bytearray(200_000_000)\nopen('out', 'wb').write(x)"
    with pytest.raises(AnvilError, match="ran out of memory: a container has 48 MiB") as caught:
        executor.run(action_of(store, code))
    assert "it began" in problem_of(caught.value).message
    assert containers() == []


def test_processes_are_limited(store: Store) -> None:
    executor = executor_of(store, Limits(n_processes=20))
    code = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "    while n < 100:\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(100)\n"
        "        n += 1\n"
        "except OSError:\n"
        "    pass\n"
        "open('out', 'w').write(str(n))\n"
    )
    files = store.get_tree(executor.run(action_of(store, code)))
    assert files is not None
    assert int(files["out"]) < 20
    assert containers() == []


def test_a_container_that_somebody_removes_is_reported(store: Store) -> None:
    executor = executor_of(store)

    def remove() -> None:
        client = engine.connect()
        while not (rows := client.containers(filters={"label": f"{engine.OWNER}={mine}"})):
            time.sleep(0.05)
        client.remove_container(rows[0]["Id"], force=True)
        client.close()

    mine = engine.owner()
    remover = threading.Thread(target=remove, daemon=True)
    remover.start()
    with pytest.raises(AnvilError) as caught:
        executor.run(action_of(store, _SLEEP))
    remover.join()
    problem_of(caught.value)
    assert list((store.root / "work").iterdir()) == []


def test_what_a_killed_command_left_is_swept(store: Store) -> None:
    executor = executor_of(store)
    client = engine.connect()
    executor.run(action_of(store, "open('out', 'w')"))
    image = client.inspect_image(f"{engine.REPOSITORY}:{require_root().image.sha256}")["Id"]
    labels = {engine.OWNER: "1-0", engine.REALM: engine.realm()}
    orphan = client.create_container(image, ["/bin/sh"], labels=labels)["Id"]
    other = client.create_container(image, ["/bin/sh"], labels=labels | {engine.REALM: "x"})["Id"]
    try:
        executor_of(store).run(action_of(store, "open('out', 'w')"))
        left = {row["Id"] for row in client.containers(all=True)}
        assert orphan not in left
        assert other in left, "another machine's, or another namespace's"
    finally:
        client.remove_container(other)
        client.close()


@pytest.fixture
def mortal_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine of this test's own, which it may kill; its process is in the environment."""
    require_engine()
    if os.geteuid() != 0:
        pytest.skip(f"{MISSING}root, to start a Docker engine")
    own = start_engine()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{own.socket}")
    try:
        assert wait_for(own)
        monkeypatch.setenv("ENGINE_PID", (own.folder / "pid").read_text())
        yield
    finally:
        stop_engine(own)


@pytest.mark.usefixtures("mortal_engine")
def test_an_engine_that_dies_is_reported(store: Store, tmp_path: Path) -> None:
    executor = executor_of(store)
    executor.run(action_of(store, "open('out', 'w')"))

    def kill() -> None:
        client = engine.connect()
        while not client.containers():
            time.sleep(0.05)
        client.close()
        time.sleep(0.5)
        os.kill(int(os.environ["ENGINE_PID"]), 9)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(AnvilError) as caught:
        executor.run(action_of(store, _SLEEP + f"  # {tmp_path}"))
    killer.join()
    assert problem_of(caught.value).message == "the Docker engine stopped answering"
    assert list((store.root / "work").iterdir()) == []
