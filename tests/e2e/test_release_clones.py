"""Two clones in different folders, one with docker and one with the sandbox: the same release."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from anvil.build.sandbox import check_sandbox
from anvil.core.diagnostics import AnvilError
from tests.support.cli import anvil, write_project
from tests.support.engine import require_engine
from tests.support.programs import MISSING, ROOT, require_shared_model
from tests.support.releasing import files_of, write_key
from tests.support.roots import require_root

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.build.root import Root

_PARTS = (
    "anvil", "examples", "images", "kernels", "quantized", "requirements", "schemas", "targets",
    "templates",
)  # fmt: skip
# A clone's folder, the executor that it is built with.
_CLONES = (("here/anvil", "docker"), ("somewhere/quite/else", "sandbox"))


@pytest.fixture(scope="module")
def root() -> Root:
    """A root file system, with both executors; or the tests are left out, counted."""
    require_engine()
    try:
        check_sandbox()
    except AnvilError as error:
        pytest.skip(f"{MISSING}{error.diagnostics[0].message}")
    return require_root()


def _clone(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in _PARTS:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    shutil.copyfile(ROOT / "anvil.yaml", folder / "anvil.yaml")
    return folder


def _kws(folder: Path) -> None:
    """The second project, beside the clone."""
    write_project(folder, "../kws.int8.tflite", name="kws")
    shutil.copyfile(require_shared_model("kws.int8.tflite"), folder.parent / "kws.int8.tflite")


@pytest.mark.parametrize("name", ["digits", "kws"])
def test_docker_and_sandbox_release_the_same_bits(root: Root, tmp_path: Path, name: str) -> None:
    key = write_key(tmp_path)
    releases = []
    for place, executor in _CLONES:
        clone = _clone(tmp_path / place)
        project = clone if name == "digits" else clone.parent / "kws"
        if name == "kws":
            _kws(project)
        cache = tmp_path / f"cache-{executor}"
        cache.mkdir(mode=0o755)
        (cache / "images").symlink_to(root.tar.parent.parent, target_is_directory=True)
        environment = {"PYTHONPATH": str(clone), "ANVIL_CACHE_DIR": str(cache)}
        locked = anvil("lock", "--project", project, cwd=clone, **environment)
        assert locked.returncode == 0, locked.stderr
        words = ("--project", project, "--key", key, "--executor", executor, "--json")
        ended = anvil("release", *words, cwd=clone, **environment)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        document = ended.document()
        assert document["executor"] == executor
        assert set(ended.statuses().values()) == {"released"}
        assert len(ended.statuses()) == 4
        # A release is by root or by no one that may become another.
        assert set(document["not_varied"]) <= {"user"}
        releases.append(files_of(project / "dist"))
    first, second = releases
    assert [path for path in first if first[path] != second.get(path)] == []
    assert first.keys() == second.keys()
    check = ("verify-release", project / "dist", "--key", key.with_name("key.pub.pem"))
    options = ("--rebuild", "--executor", "sandbox", "--json")
    rebuilt = anvil(*check, *options, cwd=tmp_path, **environment)
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert set(rebuilt.statuses().values()) == {"rebuilt"}
