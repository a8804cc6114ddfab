"""Every command as people and scripts meet it: streams, locales, places, signals, damage."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anvil.cache.results import result_path
from anvil.cache.store import Store
from tests.support.cli import anvil, command, forget_costs, write_project
from tests.support.programs import ROOT

_EXAMPLE_MODEL = ROOT / "quantized" / "int8.tflite"
_LINUX = "{linux-x86_64: {}}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", _EXAMPLE_MODEL, name="digits", targets=_LINUX)


def _shell(line: str, *, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which `anvil` stands for the command."""
    return subprocess.run(
        ["bash", "-c", f'anvil() {{ "{sys.executable}" -m anvil "$@"; }}; {line}'],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


# Streams.


@pytest.mark.parametrize(
    "words",
    [
        ["targets"],
        ["targets", "rpi4"],
        ["targets", "nosuch"],
        ["targets", "--project", "/nosuch"],
        ["doctor"],
        ["clean"],
        ["clean", "--target", "nosuch"],
        ["cache", "stat"],
        ["cache", "verify"],
        ["cache", "gc"],
        ["cache", "gc", "--max-size", "5"],
        ["cache"],
        ["completion", "bash"],
        ["completion"],
        ["build", "--target", "nosuch"],
        ["build", "--jobs", "none"],
        ["verify", "--project", "/nosuch"],
        ["run"],
        ["run", "--target", "linux-x86_64", "--input", "nosuch.npy"],
        ["nosuch"],
        [],
    ],
    ids=" ".join,
)
def test_json_is_one_document_and_nothing_else(project: Path, words: list[str]) -> None:
    ended = anvil(*words, "--json", cwd=project)
    document = ended.document()
    assert {"format", "command", "diagnostics", "targets"} <= set(document)
    assert document["command"] == (words[0] if words else "")
    errors = [row for row in document["diagnostics"] if row["severity"] == "error"]
    assert bool(errors) == (ended.returncode != 0)


def test_a_reader_that_leaves_early_is_no_mistake() -> None:
    for words in ("targets --json", "completion bash", "--help", "targets nrf52840 2>&1"):
        ended = _shell(f"anvil {words} | head -1")
        assert ended.returncode == 0
        assert ended.stdout
        assert ended.stderr == "", words


def test_closed_streams_are_no_mistake(project: Path) -> None:
    assert _shell("anvil targets --json >&-").stderr == ""
    for line in ("anvil targets --json >&-", "anvil targets 2>&-", "anvil build 2>&- >&-"):
        assert _shell(line, cwd=project).returncode == 0, line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_exit_1() -> None:
    ended = _shell("anvil targets --json >/dev/full")
    assert ended.returncode == 1
    assert ended.stderr == "error: cannot print the result: No space left on device\n"


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}],
    ids=["ascii", "C", "posix"],
)
def test_any_locale_will_do(tmp_path: Path, environment: dict[str, Any]) -> None:
    folder = write_project(tmp_path / "ü ✓ b", _EXAMPLE_MODEL, name="digits", targets=_LINUX)
    for _ in range(2):  # built, and up to date
        ended = anvil("build", "--json", "--project", folder, **environment)
        assert list(ended.statuses().values()) in (["built"], ["up_to_date"])
        (target,) = ended.document()["targets"]
        # Where the locale cannot say a letter, its bytes come as they are.
        assert os.fsencode(target["folder"]) == os.fsencode(folder / "build" / "linux-x86_64")
    assert anvil("build", "--project", folder, **environment).returncode == 0
    assert anvil("verify", "--project", folder, **environment).returncode == 0


def test_completion_works_in_bash() -> None:
    ended = _shell(
        'eval "$(anvil completion bash)"; COMP_WORDS=(anvil ver); COMP_CWORD=1; '
        '_shtab_anvil anvil ver anvil; echo "${COMPREPLY[@]}"'
    )
    assert ended.stdout.split() == ["verify", "verify-release"], ended.stderr


# Places.


def test_the_project_is_named_by_any_path_from_any_folder(project: Path) -> None:
    outside = project.parent
    (outside / "link").symlink_to(project)
    first = anvil("build", "--json", cwd=project)
    assert first.statuses() == {"linux-x86_64": "built"}
    manifest = (project / "build" / "linux-x86_64" / "manifest.json").read_bytes()
    for place in ("project", "./project/", "link", project, "project/../project"):
        ended = anvil("build", "--json", "--project", place, cwd=outside)
        assert ended.returncode == 0
    assert (project / "build" / "linux-x86_64" / "manifest.json").read_bytes() == manifest
    verified = anvil("verify", "--json", "--project", "project", cwd=outside)
    assert verified.statuses() == {"linux-x86_64": "passed"}


def test_the_output_folder_may_be_a_link_and_have_spaces(project: Path, tmp_path: Path) -> None:
    (tmp_path / "a large disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "a large disk")
    assert anvil("build", "--project", project, "--out", tmp_path / "out").returncode == 0
    assert (tmp_path / "a large disk" / "linux-x86_64" / "digits").is_file()
    assert anvil("clean", "--project", project, "--out", tmp_path / "out").returncode == 0
    assert not (tmp_path / "a large disk" / "linux-x86_64").exists()


def test_the_cache_folder_may_have_spaces_and_letters(
    project: Path, tmp_path: Path, cache_folder: Path
) -> None:
    cache = tmp_path / "ca ch'e ü"
    if (cache_folder / "tools").exists():
        shutil.copytree(cache_folder / "tools", cache / "tools")
    ended = anvil("verify", "--project", project, ANVIL_CACHE_DIR=str(cache))
    assert ended.returncode == 0, ended.stderr


def test_nothing_of_the_place_or_the_hour_is_in_the_documents(project: Path) -> None:
    assert anvil("build", "--project", project).returncode == 0
    folder = project / "build" / "linux-x86_64"
    for name in ("plan.json", "measured.json", "manifest.json"):
        text = (folder / name).read_text()
        for place in (str(project), str(ROOT), sys.prefix, str(Path.home())):
            assert place not in text, name
        assert '"20' not in text, "a date"


# Warnings and programs that are missing.


def test_a_warning_shows_in_build_and_in_verify(tmp_path: Path) -> None:
    targets = "{linux-x86_64: {requirements: {max_latency: 5 ms}}}"
    folder = write_project(tmp_path, _EXAMPLE_MODEL, name="digits", targets=targets)
    forget_costs(folder, "x86-64")
    for words in (["plan"], ["build"], ["build"], ["verify"]):
        ended = anvil(*words, "--json", "--project", folder)
        assert ended.returncode == 0
        (diagnostic,) = ended.document()["diagnostics"]
        assert diagnostic["severity"] == "warning"
        assert "max_latency" in diagnostic["message"]
    assert "warning: " in anvil("build", "--project", folder).stderr
    assert anvil("build", "--quiet", "--project", folder).stderr == ""


_WITHOUT = """
import importlib.metadata as metadata, sys
gone = sys.argv[1]
version, files = metadata.version, metadata.files
def version_of(name):
    if name == gone:
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = version_of
metadata.files = lambda name: None if name == gone else files(name)
from anvil.cli import main
sys.exit(main(sys.argv[2:]))
"""


def _without(distribution: str, *words: object, **environment: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT, distribution, *map(str, words), "--json"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


@pytest.mark.parametrize("distribution", ["ziglang", "cmake", "ninja"])
def test_a_compiler_that_is_missing_is_named(
    project: Path, tmp_path: Path, distribution: str
) -> None:
    document = _without(
        distribution, "build", "--project", project, ANVIL_CACHE_DIR=str(tmp_path / "cache")
    )
    (diagnostic,) = document["diagnostics"]
    assert distribution in diagnostic["message"]
    assert "pip install" in diagnostic["hint"]
    assert not (project / "build" / "linux-x86_64").exists()
    assert "pip install" in str(_without(distribution, "doctor"))


def test_without_the_reference_nothing_is_passed(project: Path, tmp_path: Path) -> None:
    assert anvil("build", "--project", project).returncode == 0
    # The reference's result may be known from other tests: it is looked for in an empty cache.
    model = tmp_path / "other.tflite"
    model.write_bytes(_EXAMPLE_MODEL.read_bytes() + b"\0")
    write_project(project, model, name="digits", targets=_LINUX)
    document = _without("ai-edge-litert", "verify", "--project", project)
    (target,) = document["targets"]
    assert target["status"] == "not_checked"
    assert "ai-edge-litert" in str(document["diagnostics"])


def test_a_missing_emulator_is_not_checked(tmp_path: Path) -> None:
    folder = write_project(
        tmp_path, _EXAMPLE_MODEL, name="digits", targets="{rpi4: {}, linux-x86_64: {}}"
    )
    ended = anvil("verify", "--json", "--project", folder, PATH=str(tmp_path))
    assert ended.returncode == 1
    assert ended.statuses() == {"rpi4": "not_checked", "linux-x86_64": "passed"}
    assert "qemu" in str(ended.document()["diagnostics"])


# Damage and interruption.


@pytest.mark.parametrize("damage", ["lost", "changed", "truncated"])
def test_damage_anywhere_heals_in_the_same_run(project: Path, tmp_path: Path, damage: str) -> None:
    """Each blob alone, with the results that would hide it from the build removed."""
    cache = tmp_path / "cache"
    shared = Store(root=Path(os.environ["ANVIL_CACHE_DIR"]))
    if shared.tool_cache.exists():
        shutil.copytree(shared.tool_cache, cache / "tools")
    environment: dict[str, Any] = {"ANVIL_CACHE_DIR": str(cache)}
    assert anvil("verify", "--project", project, **environment).returncode == 0
    whole = {
        path.relative_to(project): path.read_bytes()
        for path in (project / "build" / "linux-x86_64").rglob("*")
        if path.is_file()
    }
    finished = [
        path
        for path in (cache / "ac").rglob("*")
        if path.is_file() and b"manifest.json" in path.read_bytes()
    ]
    assert len(finished) == 1
    blobs = sorted(path for path in (cache / "cas").rglob("*") if path.is_file())
    for blob in blobs[:: max(1, len(blobs) // 6)]:
        content = blob.read_bytes()
        blob.unlink()
        if damage != "lost":
            blob.write_bytes(content[:-1] + (b"" if damage == "truncated" else b"\0"))
        for path in finished:
            path.unlink(missing_ok=True)
        shutil.rmtree(project / "build")
        ended = anvil("verify", "--json", "--project", project, **environment)
        assert ended.statuses() == {"linux-x86_64": "passed"}, content[:60]
    for file, content in whole.items():
        assert (project / file).read_bytes() == content, file


def test_a_damaged_result_is_a_miss(project: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    environment: dict[str, Any] = {"ANVIL_CACHE_DIR": str(cache)}
    shared = Store(root=Path(os.environ["ANVIL_CACHE_DIR"]))
    if shared.tool_cache.exists():
        shutil.copytree(shared.tool_cache, cache / "tools")
    assert anvil("build", "--project", project, **environment).returncode == 0
    results = [path for path in (cache / "ac").rglob("*") if path.is_file()]
    assert all(path == result_path(Store(root=cache), path.name) for path in results)
    for path in results:
        content = path.read_bytes()
        path.chmod(0o644)
        # A letter of the first path or name: still JSON, of the same size.
        place = content.index(b'[["') + 3
        path.write_bytes(content[:place] + b"~" + content[place + 1 :])
    shutil.rmtree(project / "build")
    ended = anvil("build", "--json", "--project", project, **environment)
    assert ended.statuses() == {"linux-x86_64": "built"}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_every_signal_that_ends_us_ends_the_compilers(
    project: Path, tmp_path: Path, name: str
) -> None:
    # An empty cache: Zig builds its own runtime first, which takes seconds.
    cache = tmp_path / "cache"
    with subprocess.Popen(
        command("build", "--project", project),
        cwd=ROOT,
        env={**os.environ, "ANVIL_CACHE_DIR": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "compiling" in line:
                break
        while not _processes_of(cache, b"cc"):
            assert child.poll() is None, "it ended before its compiler was seen"
        child.send_signal(getattr(signal, name))
        rest = child.stderr.read()
        assert child.wait(timeout=60) == 130
    # Which executor was chosen may be said after the first target's step.
    said = [line for line in rest.splitlines() if not line.startswith("executor ")]
    assert said == ["error: interrupted"]
    assert _processes_of(cache) == []
    assert list((cache / "work").iterdir()) == []
    assert [path.name for path in (project / "build").iterdir()] == [".anvil.lock"]


def _processes_of(cache: Path, word: bytes = b"") -> list[bytes]:
    """Command lines of the processes that use the cache, those with `word` alone."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            is_ours = str(cache).encode() in (path / "environ").read_bytes()
            is_working = "work" in (path / "cwd").readlink().parts
        except OSError:
            continue  # it ended while it was looked at
        if line and is_ours and is_working and (not word or word in line.split(b"\0")):
            found.append(line)
    return found


def test_collections_beside_builds_harm_none(tmp_path: Path) -> None:
    # Of a cache of their own: other tests count on what is in the shared one.
    environment: dict[str, Any] = {"ANVIL_CACHE_DIR": str(tmp_path / "cache")}
    children = []
    for number in range(2):
        folder = write_project(
            tmp_path / str(number), _EXAMPLE_MODEL, name=f"net{number}", targets=_LINUX
        )
        words = command("build", "--project", folder)
        children.append(
            subprocess.Popen(
                words,
                cwd=ROOT,
                env={**os.environ, **environment},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    while any(child.poll() is None for child in children):
        assert anvil("cache", "gc", "--max-size", "0 B", **environment).returncode == 0
    ended = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], ended


def test_a_plan_that_does_not_fit_shows_its_choices_and_tried_ways_out(tmp_path: Path) -> None:
    targets = "{rpi4: {requirements: {max_ram: 1 KiB}}, linux-x86_64: {}}"
    folder = write_project(tmp_path, _EXAMPLE_MODEL, name="digits", targets=targets)
    ended = anvil("plan", "--json", "--project", folder)
    assert ended.returncode == 3
    assert ended.statuses() == {"rpi4": "does_not_fit", "linux-x86_64": "planned"}
    rows = {row["target"]: row["plan"] for row in ended.document()["targets"]}
    assert not rows["rpi4"]["fits"]
    assert rows["rpi4"]["choices"]
    for choice in rows["rpi4"]["choices"]:
        assert [one["what"] for one in choice["failed"]] == ["max_ram"]
    explained = anvil("plan", "--explain", "--target", "rpi4", "--project", folder).stderr
    assert "is rejected: rpi4: " in explained
    way = re.search(r"tried, and each would fit: \(1\) set max_ram to (\d+) KiB", explained)
    assert way is not None
    wider = targets.replace("1 KiB", f"{way[1]} KiB")
    write_project(folder, _EXAMPLE_MODEL, name="digits", targets=wider)
    assert anvil("build", "--target", "rpi4", "--project", folder).returncode == 0
