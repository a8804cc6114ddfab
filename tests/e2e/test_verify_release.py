"""A release of the example on disk: whatever is done to it is found and named."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anvil.core.diagnostics import AnvilError
from anvil.pipeline.verify_release import CheckedRelease, check_folder, read_key
from anvil.release.assemble import assemble
from anvil.release.check import check_release
from anvil.release.files import CHECKSUMS, PROVENANCE, SBOM, ReleaseFile
from tests.support.cli import anvil
from tests.support.programs import ROOT
from tests.support.releases import (
    DESCRIPTION,
    Files,
    signing_key,
    statement,
    with_statement,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# In a file's middle, wherever it is, beside its ends.
_PLACES = 6


@pytest.fixture(scope="session")
def files(built_example: Path) -> Files:
    """A release of what was really built, for four targets."""
    found = {"anvil.lock": ReleaseFile(content=b"format: 1\n")}
    found["source/anvil.yaml"] = ReleaseFile(content=(ROOT / "anvil.yaml").read_bytes())
    for target in ("nrf52840", "rpi4", "browser", "linux-x86_64"):
        found[f"{target}/verify.json"] = ReleaseFile(content=b"{}\n")
        for path in sorted((built_example / target).rglob("*")):
            if path.is_file():
                name = path.relative_to(built_example).as_posix()
                executable = os.access(path, os.X_OK)
                found[name] = ReleaseFile(content=path.read_bytes(), executable=executable)
        found.setdefault(f"{target}/model.tflite", ReleaseFile(content=b"model"))
    made = assemble(found, DESCRIPTION, signing_key())
    assert len(made) > 150
    return made


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    return write(tmp_path / "dist", files)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "release-key.pub.pem"
    file.write_bytes(signing_key().public.pem)
    return file


def check(folder: Path, key: Path) -> CheckedRelease:
    return check_folder(folder, read_key(key), lambda _: None)


def codes(folder: Path, key: Path) -> list[tuple[str, str | None]]:
    try:
        mistakes = check(folder, key).mistakes
    except AnvilError as error:
        mistakes = error.diagnostics
    return [(one.code, one.file) for one in mistakes]


def test_a_flip_in_any_file_of_a_real_release_is_found(files: Files) -> None:
    rng = random.Random(4)
    public = signing_key().public
    assert check_release(files, public) == ()
    for path, file in files.items():
        places = {0, len(file.content) - 1}
        places |= {rng.randrange(len(file.content)) for _ in range(_PLACES)}
        for at in places:
            changed = bytearray(file.content)
            changed[at] ^= 1 << rng.randrange(8)
            other = ReleaseFile(content=bytes(changed), executable=file.executable)
            mistakes = check_release({**files, path: other}, public)
            assert [one.file for one in mistakes] == [path], at


def test_a_flip_in_any_file_on_disk_is_found(folder: Path, files: Files, key: Path) -> None:
    assert codes(folder, key) == []
    for path, file in files.items():
        place = folder / path
        with place.open("r+b") as stream:
            at = len(file.content) // 3
            stream.seek(at)
            stream.write(bytes([file.content[at] ^ 0x10]))
        assert [name for _, name in codes(folder, key)] == [path]
        place.write_bytes(file.content)
    assert codes(folder, key) == []


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link_to_itself_elsewhere(path: Path) -> None:
    """The right bytes, but behind a link."""
    kept = path.parents[1] / f"{path.name}.kept"
    shutil.move(path, kept)
    path.symlink_to(kept)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def socket_instead(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    # A socket's path may have 107 bytes.
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("path", ["SHA256SUMS", "sbom.cdx.json", "anvil.lock", PROVENANCE])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Path.unlink, "release.missing"),
        (empty, None),
        (link_to_itself_elsewhere, None),
        (folder_instead, None),
        (pipe_instead, None),
        (socket_instead, None),
        (lambda path: path.chmod(0o755), "release.mode"),
        (lambda path: path.chmod(0o644 | 0o4000), "release.mode"),
    ],
    ids=["removed", "empty", "link", "folder", "pipe", "socket", "executable", "set-uid"],
)
def test_anything_else_in_the_place_of_a_file_is_found(
    folder: Path, key: Path, path: str, change: Callable[[Path], None], code: str | None
) -> None:
    change(folder / path)
    found = codes(folder, key)
    assert [name for _, name in found] == [path]
    assert code in {None, found[0][0]}


def test_a_folder_behind_a_link_is_found_and_not_entered(folder: Path, key: Path) -> None:
    shutil.move(folder / "rpi4", folder.parent / "rpi4")
    (folder / "rpi4").symlink_to(folder.parent / "rpi4")
    found = codes(folder, key)
    assert ("release.kind", "rpi4") in found
    assert ("release.missing", "rpi4/digits") in found
    assert all((name or "").startswith("rpi4") for _, name in found)


def test_additions_are_found_each_by_its_name(folder: Path, key: Path) -> None:
    (folder / "rpi4" / "more").write_bytes(b"")
    (folder / "empty").mkdir()
    (folder / "many").mkdir()
    (folder / "many" / "inside").write_bytes(b"")
    (folder / "rpi4" / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "two\nlines").write_bytes(b"")
    (folder / os.fsdecode(b"\xff")).write_bytes(b"")
    (folder / ".hidden").write_bytes(b"")
    found = codes(folder, key)
    assert {code for code, _ in found} == {"release.extra"}
    assert sorted(str(name) for _, name in found) == [
        ".hidden", r"\udcff", "empty", "many", "pipe", "rpi4/more", "rpi4/passwd", r"two\nlines"
    ]  # fmt: skip


def test_renamed_and_swapped_files_are_found(folder: Path, key: Path) -> None:
    (folder / "rpi4" / "digits.h").rename(folder / "rpi4" / "Digits.h")
    first, second = folder / "rpi4" / "libdigits.a", folder / "linux-x86_64" / "libdigits.a"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    assert codes(folder, key) == [
        ("release.changed", "linux-x86_64/libdigits.a"),
        ("release.extra", "rpi4/Digits.h"),
        ("release.missing", "rpi4/digits.h"),
        ("release.changed", "rpi4/libdigits.a"),
    ]


def test_a_lost_executable_bit_is_found(folder: Path, key: Path) -> None:
    (folder / "rpi4" / "digits").chmod(0o644)
    assert codes(folder, key) == [("release.mode", "rpi4/digits")]


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "rpi4/../../outside", "a\nb"])
def test_nothing_is_opened_where_the_provenance_leads_out(
    folder: Path, files: Files, key: Path, path: str
) -> None:
    document = statement(files)
    document["subject"][0]["name"] = path
    changed = with_statement(files, document)[PROVENANCE]
    (folder / PROVENANCE).write_bytes(changed.content)
    # What would be opened next, were anything opened, ends in an error of its own.
    shutil.rmtree(folder / "rpi4")
    assert codes(folder, key) == [("release.path", PROVENANCE)]


@pytest.mark.parametrize(
    "content",
    [b"[" * 1_000_000, b'{"a":' * 300_000, b"9" * 1_000_000, b'"' + b"\\" * 999_999],
    ids=["arrays", "objects", "digits", "escapes"],
)
def test_hostile_json_in_the_place_of_the_provenance_is_refused(
    folder: Path, key: Path, content: bytes
) -> None:
    (folder / PROVENANCE).write_bytes(content)
    assert codes(folder, key) == [("release.envelope", PROVENANCE)]


def test_files_of_any_size_are_refused_without_reading_them_whole(folder: Path, key: Path) -> None:
    with (folder / PROVENANCE).open("r+b") as stream:
        stream.truncate(1 << 40)  # a hole: it takes no room
    assert codes(folder, key) == [("release.unreadable", PROVENANCE)]


# The command.


def test_the_command_tells_what_it_checked(folder: Path, key: Path, tmp_path: Path) -> None:
    ended = anvil("verify-release", folder, "--key", key, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "digits 1.2.0 is what was signed" in ended.stderr
    document = anvil("verify-release", folder, "--key", key, "--json", cwd=tmp_path).document()
    assert document["release"]["keyid"] == signing_key().public.keyid
    assert {row["status"] for row in document["targets"]} == {"passed"}
    assert len(document["targets"]) == 4
    assert document["release"]["files"] == sum(1 for one in folder.rglob("*") if one.is_file())


def test_the_command_names_what_was_changed(folder: Path, key: Path) -> None:
    with (folder / "rpi4" / "digits").open("ab") as stream:
        stream.write(b"\n")
    (folder / SBOM).unlink()
    ended = anvil("verify-release", folder, "--key", key, "--json")
    assert ended.returncode == 1
    assert ended.statuses()["rpi4"] == "failed"
    assert ended.statuses()["browser"] == "passed"
    found = {(one["code"], one["file"]) for one in ended.document()["diagnostics"]}
    assert found == {("release.changed", "rpi4/digits"), ("release.missing", SBOM)}
    shown = anvil("verify-release", folder, "--key", key)
    assert shown.returncode == 1
    assert "is not what was signed" in shown.stderr
    assert "✗ rpi4" in shown.stderr


def test_a_folder_that_is_no_release_is_bad_input(tmp_path: Path, key: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for place in (tmp_path, tmp_path / "nothing", file):
        ended = anvil("verify-release", place, "--key", key, "--json")
        assert ended.returncode == 2
        (one,) = ended.document()["diagnostics"]
        assert one["code"] == "release.no-release"
        assert str(place) in one["message"]


def test_keys_that_are_none_are_bad_input(folder: Path, tmp_path: Path, key: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path, folder / CHECKSUMS):
        ended = anvil("verify-release", folder, "--key", place, "--json")
        assert ended.returncode == 2
        (one,) = ended.document()["diagnostics"]
        assert one["code"] == "release.key-unreadable"
        assert one["file"] == str(place)
    other = tmp_path / "other.pem"
    other.write_bytes(signing_key(2).public.pem)
    ended = anvil("verify-release", folder, "--key", other)
    assert ended.returncode == 1
    assert key.name not in ended.stderr
    assert "the key given is" in ended.stderr


def test_no_network_is_needed_and_nothing_is_written(folder: Path, key: Path) -> None:
    """In a network namespace of its own, as far as this user may make one."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    words = [sys.executable, "-m", "anvil", "verify-release", str(folder), "--key", str(key)]
    alone = ["unshare", "--net", "--map-root-user"]
    probe = subprocess.run([*alone, "true"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("missing: network namespaces (unshare)")
    ended = subprocess.run(
        [*alone, *words],
        cwd=ROOT,
        env={**os.environ, "ANVIL_CACHE_DIR": str(folder.parent / "cache")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert not (folder.parent / "cache").exists()


def commands_of(file: Path) -> list[str]:
    """The shell's part of a page: what stands between fences, without names of a language."""
    return [part.strip("\n") for part in file.read_text(encoding="utf-8").split("```")[1::2]]


def test_the_page_on_releases_checks_one_without_anvil(folder: Path, key: Path) -> None:
    """The commands of docs/releases.md, as they stand there."""
    blocks = commands_of(ROOT / "docs" / "releases.md")
    (sums,) = (block for block in blocks if "sha256sum" in block)
    (envelope,) = (block for block in blocks if "pkeyutl" in block)
    shutil.copy(key, folder.parent / "release-key.pub.pem")

    def run(words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", words], cwd=folder.parent, check=False, capture_output=True, text=True
        )

    assert run(sums).returncode == 0
    ended = run(envelope)
    assert ended.returncode == 0, ended.stderr
    assert "Signature Verified Successfully" in ended.stdout
    assert "was changed" not in ended.stdout
    with (folder / "rpi4" / "digits").open("ab") as stream:
        stream.write(b"\n")
    assert run(sums).returncode == 1
    assert "rpi4/digits was changed" in run(envelope).stdout
    content = (folder / PROVENANCE).read_bytes()
    (folder / PROVENANCE).write_bytes(content.replace(b'"payload":"ey', b'"payload":"ez'))
    ended = run(envelope)
    assert "Signature Verified Successfully" not in ended.stdout
    assert ended.returncode != 0
