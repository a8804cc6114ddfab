"""anvil release as a user runs it: built twice, verified, signed, checked and rebuilt."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from anvil import __version__
from anvil.core.release import ReleaseFacts
from anvil.package.mcuboot import firmware_binary
from anvil.release.assemble import assemble
from anvil.release.description import ModelSource, ReleaseDescription
from anvil.release.files import CHECKSUMS, PROVENANCE, SBOM, ReleaseFile
from anvil.release.keys import load_signing_key
from anvil.resources import digest_of_resources, read_folder
from tests.support.cli import anvil, command
from tests.support.programs import ROOT
from tests.support.releasing import (
    MODEL,
    PRIVATE_BYTES,
    PRIVATE_PEM,
    files_of,
    lock,
    release,
    write_files,
    write_key,
    write_locked,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BROWSER = "{browser: {}}"
# Every form in which the key could lie around.
_SECRETS = (
    PRIVATE_BYTES,
    PRIVATE_BYTES.hex().encode(),
    base64.b64encode(PRIVATE_BYTES).rstrip(b"=")[:-1],
    PRIVATE_PEM.splitlines()[1],
)
_BOOTED = """\
extends: boards/nrf52840
mcuboot:
  slot: {origin: 0x0000C000, size: 472 KiB}
  header: 512 B
  alignment: 4 B
  version: 1.2.0
  security_counter: 3
"""


class Snoop:
    """What all processes have in their words and environments, and all files in their bytes.

    It looks at every process and at every file below `folders` until it is told to stop.
    """

    def __init__(self, *folders: Path) -> None:
        self.found: list[str] = []
        self.processes: set[str] = set()
        self.files: set[tuple[str, int]] = set()
        self._folders = folders
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(look,), daemon=True)
            for look in (self._look_at_processes, self._look_at_files)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, look: Callable[[], None]) -> None:
        while not self._done.wait(0.05):
            look()

    def _look_at_processes(self) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            self.processes.add(folder.name)
            # The command itself was given the key in its environment.
            is_command = b"anvil\0release" in words
            self._check(str(words), words if is_command else words + environment)

    def _look_at_files(self) -> None:
        # os.walk goes on where a folder is gone already.
        walked = (walked for folder in self._folders for walked in os.walk(folder))
        for path in (Path(top) / name for top, _, names in walked for name in names):
            try:
                state = (str(path), path.stat().st_mtime_ns)
                if state not in self.files and path.is_file():
                    self.files.add(state)
                    self._check(str(path), path.read_bytes())
            except OSError:
                continue

    def _check(self, name: str, text: bytes) -> None:
        self.found += [name for secret in _SECRETS if secret in text]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """The project after `anvil release` with the key in the environment; its dist/."""
    del key
    folder = tmp_path_factory.mktemp("released")
    project = write_locked(folder / "project", _BROWSER)
    cache, temporary = folder / "cache", folder / "tmp"
    cache.mkdir()
    temporary.mkdir()
    with Snoop(cache, temporary, project) as snoop:
        ended = anvil(
            "release",
            *("--project", project, "--executor", "host", "--json"),
            ANVIL_SIGNING_KEY=PRIVATE_PEM.decode(),
            ANVIL_CACHE_DIR=str(cache),
            TMPDIR=str(temporary),
        )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    document = ended.document()
    (folder / "document.json").write_text(ended.stdout)
    (folder / "said.txt").write_text(ended.stderr)
    assert document["targets"][0]["status"] == "released"
    assert {"folder", "umask", "locale", "time_zone"} <= set(document["varied"])
    assert len(snoop.processes) > 3, "compilers and the second build were seen"
    assert len(snoop.files) > 100, "what the two builds keep was seen"
    assert snoop.found == []
    assert [*(cache / "work").iterdir(), *temporary.iterdir()] == []
    return project / "dist"


def test_a_release_is_what_a_build_leaves_and_what_is_said_of_it(
    released: Path, tmp_path: Path
) -> None:
    files = files_of(released)
    assert {path for path in files if "/" not in path} == {
        CHECKSUMS, PROVENANCE, SBOM, "anvil.lock",
    }  # fmt: skip
    assert files["source/anvil.yaml"].content == (released.parent / "anvil.yaml").read_bytes()
    assert files["anvil.lock"].content == (released.parent / "anvil.lock").read_bytes()
    ended = anvil("build", "--project", released.parent, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    built = {f"browser/{path}": file for path, file in files_of(tmp_path / "browser").items()}
    of_target = {path: file for path, file in files.items() if path.startswith("browser/")}
    report = json.loads(of_target.pop("browser/verify.json").content)
    assert of_target == built
    assert (report["status"], report["different_outputs"]) == ("passed", 0)
    assert report["outputs"] == len(report["inferences"]) >= 19


def test_sha256sum_agrees(released: Path) -> None:
    words = ["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS]
    ended = subprocess.run(words, cwd=released, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_key_is_nowhere(released: Path) -> None:
    top = released.parent.parent
    contents = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    assert len(contents) > 40
    leaks = [path for path, text in contents.items() for one in _SECRETS if one in text]
    assert leaks == []


def test_nothing_in_it_names_this_machine(released: Path) -> None:
    words = [str(released.parent.parent), str(ROOT), "executor"]
    if len(os.uname().nodename) >= 6:  # a shorter one may be part of any word
        words.append(os.uname().nodename)
    found = [
        (path, word)
        for path, file in files_of(released).items()
        for word in words
        # A library's own word in the rendered project is no word of ours.
        if word.encode() in file.content and "/project/" not in path
    ]
    assert found == []


def test_anyone_rebuilds_it_without_the_model_and_with_an_empty_cache(
    released: Path, key: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(released, tmp_path / "downloaded")
    public = key.with_name("key.pub.pem")
    # A key through a pipe, as a shell gives it, can be read once.
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(public.read_bytes(),), daemon=True)
    writer.start()
    words = ("verify-release", copy, "--key", pipe, "--rebuild", "--executor", "host")
    ended = anvil(*words, "--json", cwd=tmp_path, ANVIL_CACHE_DIR=str(tmp_path / "cache"))
    assert ended.returncode == 0, ended.stdout
    assert ended.statuses() == {"browser": "rebuilt"}


_KERNELS = digest_of_resources(read_folder(ROOT / "kernels"))


def _forged(
    released: Path,
    path: str,
    content: bytes,
    *,
    kernels_digest: str = _KERNELS,
    anvil_version: str = __version__,
) -> dict[str, ReleaseFile]:
    """A release with another file, whose manifest, checksums and signature are right."""
    files = {p: f for p, f in files_of(released).items() if p not in {CHECKSUMS, PROVENANCE, SBOM}}
    files[path] = replace(files[path], content=content)
    target, _, below = path.partition("/")
    if below != "manifest.json":
        manifest = json.loads(files[f"{target}/manifest.json"].content)
        (row,) = [row for row in manifest["files"] if row["path"] == below]
        node = _digest(content)
        row |= node
        text = json.dumps(manifest, indent=2) + "\n"
        files[f"{target}/manifest.json"] = ReleaseFile(content=text.encode())
    description = ReleaseDescription(
        name="digits",
        facts=ReleaseFacts(),
        anvil_version=anvil_version,
        kernels_digest=kernels_digest,
        model=ModelSource(file="model.tflite", format="tflite", sha256="0" * 64),
    )
    return assemble(files, description, load_signing_key(PRIVATE_PEM))


def _digest(content: bytes) -> dict[str, object]:
    import hashlib  # noqa: PLC0415

    return {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


@pytest.mark.parametrize("file", ["browser/digits.wasm", "browser/project/library/src/digits.c"])
def test_what_its_signer_slipped_in_is_found_by_a_rebuild(
    released: Path, key: Path, tmp_path: Path, file: str
) -> None:
    content = (released / file).read_bytes()
    forged = _forged(released, file, content[:-1] + bytes([content[-1] ^ 1]))
    write_files(tmp_path / "dist", forged)
    words = ("verify-release", tmp_path / "dist", "--key", key.with_name("key.pub.pem"), "--json")
    assert anvil(*words).returncode == 0, "it is what was signed"
    ended = anvil(*words, "--rebuild", "--executor", "host")
    assert ended.returncode == 1
    named = [row["file"] for row in ended.document()["diagnostics"]]
    # The manifest lists the other digest.
    assert sorted(named) == sorted([file, "browser/manifest.json"])


def test_a_release_of_other_kernels_is_refused(released: Path, key: Path, tmp_path: Path) -> None:
    file = "browser/manifest.json"
    forged = _forged(released, file, (released / file).read_bytes(), kernels_digest="1" * 64)
    write_files(tmp_path / "dist", forged)
    public = key.with_name("key.pub.pem")
    ended = anvil("verify-release", tmp_path / "dist", "--key", public, "--rebuild")
    assert ended.returncode == 1
    assert "was made with the kernels 111111111111" in ended.stderr


def test_another_versions_release_is_refused_with_what_to_install(
    released: Path, key: Path, tmp_path: Path
) -> None:
    manifest = (released / "browser" / "manifest.json").read_bytes()
    other = manifest.replace(f"Anvil {__version__}".encode(), b"Anvil 9.8.7")
    assert other != manifest
    forged = _forged(released, "browser/manifest.json", other, anvil_version="9.8.7")
    write_files(tmp_path / "dist", forged)
    public = key.with_name("key.pub.pem")
    ended = anvil("verify-release", tmp_path / "dist", "--key", public, "--rebuild")
    assert ended.returncode == 1
    assert "Anvil 9.8.7 made this release" in ended.stderr
    assert "anvil-build==9.8.7" in ended.stderr


def test_an_irreproducible_project_is_refused_with_what_differs(key: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    source = "softmax/softmax_int8_fixed_point__scalar.c"
    stamped = project / "kernels" / source
    stamped.parent.mkdir(parents=True)
    stamped.write_bytes(
        (ROOT / "kernels" / source).read_bytes()
        + b'\n#pragma clang diagnostic ignored "-Wdate-time"\n'
        + b"extern const char build_time[];\n__attribute__((used)) const char build_time[] = "
        + b'"built at " __TIME__;\n'
    )
    write_locked(project, _BROWSER)
    ended = release(project, key)
    assert ended.returncode == 1, ended.stderr
    assert "two builds of the same project differ in" in ended.stderr
    assert "browser/digits.wasm" in ended.stderr
    assert not (project / "dist").exists()
    kept = project / "dist-differences"
    first, second = (kept / side / "browser" / "digits.wasm" for side in ("first", "second"))
    assert first.read_bytes() != second.read_bytes()
    assert b"built at " in first.read_bytes()
    text = (kept / "differences.txt").read_text()
    assert "browser/digits.wasm: differs from byte" in text
    if shutil.which("diffoscope"):
        assert "--- first" in text
        assert "+++ second" in text


def test_a_target_that_cannot_be_checked_is_released_on_request_alone(
    key: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    board = project / "targets" / "boards" / "lonely.yaml"
    board.parent.mkdir(parents=True)
    emulator = "{kind: qemu-user, program: qemu-nowhere, cpu: cortex-a72}"
    board.write_text(f"extends: boards/rpi4\nemulator: {emulator}\n")
    write_locked(project, "{lonely: {}}")
    ended = release(project, key)
    assert ended.returncode == 1
    assert "not checked here: lonely" in ended.stderr
    assert "--allow-unchecked" in ended.stderr
    assert not (project / "dist").exists()
    ended = release(project, key, "--allow-unchecked")
    assert ended.returncode == 0, ended.stderr
    report = json.loads((project / "dist" / "lonely" / "verify.json").read_bytes())
    assert (report["status"], report["reasons"]) == ("not_checked", ["run.missing-tool"])


def test_mcuboot_starts_what_is_released(key: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    board = project / "targets" / "boards" / "booted.yaml"
    board.parent.mkdir(parents=True)
    board.write_text(_BOOTED)
    write_locked(project, "{booted: {}}")
    ended = release(project, key)
    assert ended.returncode == 0, ended.stderr
    folder = project / "dist" / "booted"
    firmware = firmware_binary((folder / "digits.hex").read_bytes())
    image = folder / "digits.signed.bin"
    assert image.read_bytes()[512 : 512 + len(firmware)] == firmware
    # The vector table begins behind the header: the stack's top, and a handler in the slot.
    assert int.from_bytes(firmware[:4], "little") >> 24 == 0x20
    assert 0xC200 < int.from_bytes(firmware[4:8], "little") < 0xC000 + 472 * 1024
    public = key.with_name("key.pub.pem")
    words = [command()[0], "-m", "imgtool.main", "verify", "--key", str(public), str(image)]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "1.2.0" in checked.stdout
    words = ["verify-release", str(project / "dist"), "--key", str(public), "--rebuild"]
    ended = anvil(*words, "--executor", "host", "--json")
    assert ended.statuses() == {"booted": "rebuilt"}, ended.stdout


def test_an_interrupted_release_leaves_nothing_but_the_former_one(
    released: Path, key: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(released.parent, tmp_path / "project")
    cache, temporary = tmp_path / "cache", tmp_path / "tmp"
    temporary.mkdir()
    before = files_of(project)
    words = command("release", "--project", project, "--key", key, "--executor", "host")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ANVIL_CACHE_DIR": str(cache),
        "TMPDIR": str(temporary),
    }
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "building again" in line:
                time.sleep(1.0)  # until the second process is there, too
                child.send_signal(signal.SIGINT)
                break
        said = child.stderr.read()
    assert child.returncode == 130, said
    assert files_of(project) == before
    assert list(temporary.iterdir()) == []
    assert list((cache / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("model: ", "data: {calibration: /srv/c.npz}\nmodel: "), ("model: .*", "model: MODEL")],
)
def test_a_project_that_names_a_place_of_this_machine_is_no_release(
    key: Path, tmp_path: Path, before: str, after: str
) -> None:
    import re  # noqa: PLC0415

    project = write_locked(tmp_path / "project", _BROWSER)
    file = project / "anvil.yaml"
    text = re.sub(before, after.replace("MODEL", json.dumps(str(MODEL))), file.read_text())
    if "/srv" not in text:
        file.write_text(text)
        lock(project)
        ended = release(project, key)
        assert ended.returncode == 2, ended.stderr
        assert "a release holds anvil.yaml" in ended.stderr
        assert f"{file}:3:8" in ended.stderr
        return
    file.write_text(text)
    ended = release(project, key)
    assert ended.returncode == 2, ended.stderr


def test_without_a_lock_there_is_no_release(key: Path, tmp_path: Path) -> None:
    project = write_locked(tmp_path / "project", _BROWSER)
    (project / "anvil.lock").unlink()
    ended = release(project, key)
    assert ended.returncode == 2
    assert "anvil.lock" in ended.stderr


def test_a_project_with_a_broken_target_is_no_release(key: Path, tmp_path: Path) -> None:
    project = write_locked(tmp_path / "project", _BROWSER)
    board = project / "targets" / "boards" / "mine.yaml"
    board.parent.mkdir(parents=True)
    board.write_text("extends: boards/rpi4\nstak: 1 KiB\n")
    text = (project / "anvil.yaml").read_text()
    (project / "anvil.yaml").write_text(text.replace(_BROWSER, "{browser: {}, mine: {}}"))
    ended = release(project, key)
    assert ended.returncode == 2
    assert "unknown key 'stak'" in ended.stderr
    assert not (project / "dist").exists()
