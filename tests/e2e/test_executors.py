"""The same bytes from every executor, and what a build says where one cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from anvil.build import engine
from anvil.build.sandbox import check_sandbox
from anvil.core.diagnostics import AnvilError
from tests.support.cli import Ended, anvil, command, write_project
from tests.support.engine import require_engine
from tests.support.programs import MISSING, ROOT, require_shared_model
from tests.support.roots import require_root

TARGETS = "nrf52840,rpi4,browser,linux-x86_64"


def cache_with_root(folder: Path) -> str:
    """An empty cache that has the root file system."""
    images = require_root().tar.parents[1]
    folder.mkdir()
    (folder / "images").symlink_to(images, target_is_directory=True)
    return str(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with nothing to quantize or to measure."""
    return write_project(tmp_path / "project", ROOT / "quantized" / "int8.tflite", name="digits")


def require(name: str) -> None:
    if name == "docker":
        require_engine()
    elif name == "sandbox":
        try:
            check_sandbox()
        except AnvilError as error:
            pytest.skip(f"{MISSING}a sandbox ({error.diagnostics[0].message})")


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".anvil" not in path.parts
    }


def errors_of(ended: Ended) -> list[dict[str, Any]]:
    rows = ended.document()["diagnostics"]
    return [row for row in rows if row["severity"] == "error"]


@pytest.mark.usefixtures("built_example")
@pytest.mark.parametrize("model", ["digits", "kws"])
def test_every_executor_gives_the_same_bytes(
    model: str, project: Path, cache_folder: Path, tmp_path: Path
) -> None:
    if model == "kws":
        shared = require_shared_model("kws.int8.tflite")
        project = write_project(tmp_path / "project", shared, name="kws")
    # What Zig keeps for itself on the host, since it takes half a minute.
    (tmp_path / "cache-host").mkdir()
    (tmp_path / "cache-host" / "tools").symlink_to(cache_folder / "tools")
    found = {}
    for name in ("host", "sandbox", "docker"):
        require(name)
        out, cache = tmp_path / name, tmp_path / f"cache-{name}"
        if name != "host":
            cache_with_root(cache)
        built = anvil(
            *("build", "--project", project, "--out", out, "--target", TARGETS),
            *("--executor", name, "--jobs", "2"),
            ANVIL_CACHE_DIR=str(cache),
        )
        assert built.returncode == 0, built.stderr
        assert f"executor {name}: " in built.stderr
        found[name] = files_below(out)
    assert found["sandbox"] == found["host"]
    assert found["docker"] == found["host"]


def test_a_warm_build_asks_no_engine(built_example: Path, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path / 'nowhere.sock'}"
    words = ("build", "--project", ROOT, "--out", built_example, "--executor", "docker")
    warm = anvil(*words, "--json", DOCKER_HOST=nowhere)
    assert warm.returncode == 0, warm.stderr
    assert set(warm.statuses().values()) == {"up_to_date"}
    # The folder is gone and the cache is not: still nothing has to run.
    again = (*words[:4], tmp_path / "out", *words[5:])
    fetched = anvil(*again, "--json", DOCKER_HOST=nowhere)
    assert set(fetched.statuses().values()) == {"built"}, fetched.stderr


def test_auto_says_why_it_takes_the_host(project: Path, tmp_path: Path) -> None:
    words = ("build", "--project", project, "--target", "browser", "--out", tmp_path / "out")
    built = anvil(*words, ANVIL_CACHE_DIR=str(tmp_path / "cache"))
    assert built.returncode == 0, built.stderr
    assert "executor host: not hermetic" in built.stderr
    assert "anvil image build" in built.stderr


def test_auto_falls_from_docker_to_the_sandbox(project: Path, tmp_path: Path) -> None:
    require("sandbox")
    words = ("build", "--project", project, "--target", "browser", "--out", tmp_path / "out")
    nowhere = f"unix://{tmp_path / 'nowhere.sock'}"
    cache = cache_with_root(tmp_path / "cache")
    built = anvil(*words, ANVIL_CACHE_DIR=cache, DOCKER_HOST=nowhere)
    assert built.returncode == 0, built.stderr
    assert "executor sandbox: " in built.stderr
    assert "not docker, since no Docker engine answers" in built.stderr


@pytest.mark.parametrize("name", ["docker", "sandbox"])
def test_without_a_root_it_says_how_to_get_one(name: str, project: Path, tmp_path: Path) -> None:
    words = ("build", "--project", project, "--target", "browser", "--out", tmp_path / "out")
    built = anvil(*words, "--executor", name, "--json", ANVIL_CACHE_DIR=str(tmp_path / "cache"))
    assert built.returncode == 1
    (diagnostic,) = errors_of(built)
    assert diagnostic["code"] == "image.missing"
    assert "anvil image build" in diagnostic["hint"]


def test_without_bubblewrap_it_says_what_installs_it(project: Path, tmp_path: Path) -> None:
    cache = cache_with_root(tmp_path / "cache")
    words = ("build", "--project", project, "--target", "browser", "--out", tmp_path / "out")
    built = anvil(
        *words, "--executor", "sandbox", "--json", ANVIL_CACHE_DIR=cache, PATH=str(tmp_path)
    )
    assert built.returncode == 1
    (diagnostic,) = errors_of(built)
    assert diagnostic["code"] == "sandbox.unusable"
    assert diagnostic["hint"] == "apt-get install bubblewrap"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_removes_the_container(
    number: signal.Signals, project: Path, tmp_path: Path
) -> None:
    require("docker")
    cache = cache_with_root(tmp_path / "cache")
    child = subprocess.Popen(
        command(
            *("build", "--project", project, "--target", "nrf52840", "--out", tmp_path / "out"),
            *("--executor", "docker"),
        ),
        env={**os.environ, "PYTHONPATH": str(ROOT), "ANVIL_CACHE_DIR": cache},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = engine.connect()

    def ours() -> list[str]:
        rows = client.containers(all=True, filters={"label": engine.OWNER})
        mine = [row for row in rows if row["Labels"][engine.OWNER].startswith(f"{child.pid}-")]
        return [row["Id"] for row in mine]

    try:
        while child.poll() is None and not ours():
            time.sleep(0.05)
        child.send_signal(number)
        assert child.wait(60) == 130
        assert ours() == []
        assert list((tmp_path / "cache" / "work").iterdir()) == []
    finally:
        child.kill()
        client.close()
