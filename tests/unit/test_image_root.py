"""What gets into a root file system, and how it is written."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.image.definition import Multilibs, read_definition
from anvil.image.document import DocumentError, image_document, read_image_document
from anvil.image.make import known_wheels
from anvil.image.packages import Apt, find_apt_sources
from anvil.image.root_check import RootError, check_root_tar
from anvil.image.root_tar import Selection, write_root_tar
from anvil.image.sources import KEYRING, host_sources, named_sources
from anvil.pipeline.images import current_definition
from anvil.process import Cancellation
from tests.support.programs import ROOT
from tests.support.small_images import Entry, small_definition, small_image, write_tar

FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def written(path: Path) -> dict[str, tuple[bytes, int, str]]:
    with tarfile.open(path) as tar:
        return {entry.name: (entry.type, entry.mode, entry.linkname) for entry in tar}


# The definition.


def test_the_definition_keeps_to_its_schema_and_the_schema_is_strict() -> None:
    schema = json.loads((ROOT / "schemas" / "image.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    value = yaml.load((ROOT / "images" / "root.yaml").read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506  texts alone
    assert list(validator.iter_errors(value)) == []
    wrong: tuple[dict[str, object], ...] = (
        {"leave_out": ["/usr"]},
        {"leave_out": ["usr/../etc"]},
        {"packages": []},
        {"architecture": "riscv"},
        {"more": 1},
    )
    for change in wrong:
        assert list(validator.iter_errors({**value, **change})), change


def test_the_wheels_are_the_tools_that_builds_name() -> None:
    names = {line.partition("==")[0] for line in current_definition().wheel_names}
    assert {"cmake", "intelhex", "ninja", "platformio", "pyelftools", "scons", "ziglang"} <= names
    every = current_definition().requirements.split("\n")
    pinned = [line for line in every if "==" in line]
    assert all(line.endswith("\\") for line in pinned), "each has its hashes"


def test_any_byte_of_the_definition_is_part_of_its_digest() -> None:
    root = (ROOT / "images" / "root.yaml").read_bytes()
    wheels = (ROOT / "images" / "wheels.txt").read_bytes()
    digests = {
        read_definition(*files).digest
        for files in ((root, wheels), (root + b"#\n", wheels), (root, wheels + b"\n"))
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("usr/bin/gcc", True),
        ("usr/share/doc", False),
        ("usr/share/doc/gcc/README", False),
        ("usr/share/docs", True),
        ("usr/lib/x/one.a", False),
        ("usr/lib/x/deep/one.a", True),
        ("usr/lib/multi", True),
        ("usr/lib/multi/include/a.h", True),
        ("usr/lib/multi/thumb", True),
        ("usr/lib/multi/thumb/v7/nofp/libc.a", False),
        ("usr/lib/multi/thumb/v7e/hard/libc.a", True),
        ("usr/lib/multi/thumb/v7e/hardly/libc.a", False),
        ("usr/lib/multi/arm/libc.a", False),
    ],
)
def test_what_stays(path: str, *, is_kept: bool) -> None:
    definition = replace(
        small_definition(),
        leave_out=("usr/share/doc", "usr/lib/x/*.a"),
        multilibs=(
            Multilibs(under="usr/lib/multi", of=("arm", "thumb"), keep=("thumb/v7e/hard",)),
        ),
    )
    assert Selection(definition).keeps(path) == is_kept


# The tar.

ENTRIES: tuple[Entry, ...] = (
    ("./var", FOLDER, b"", 0o755),
    ("./var/log", FILE, b"when and where", 0o644),
    ("./empty", FOLDER, b"", 0o755),
    ("./dev/null", tarfile.CHRTYPE, b"", 0o666),
    ("./pipe", tarfile.FIFOTYPE, b"", 0o666),
    ("./usr/z", FILE, b"#!/bin/sh\n", 0o4750),
    ("./usr/a", HARD, "./usr/z", 0o4750),
    ("./usr/m", FILE, b"text", 0o600),
    ("./bin", LINK, "usr/bin", 0o777),
)


def test_a_root_is_written_in_one_way(tmp_path: Path) -> None:
    one = write_tar(tmp_path / "one", *ENTRIES)
    other = write_tar(tmp_path / "other", *ENTRIES[:5], *ENTRIES[7:], *ENTRIES[5:7])
    definition = replace(
        small_definition(), files=(("etc/hosts", "127.0.0.1 localhost\n"),), links=(("sh", "bin"),)
    )
    first = write_root_tar(one, definition, tmp_path / "1.tar")
    assert write_root_tar(other, definition, tmp_path / "2.tar") == first
    assert (tmp_path / "1.tar").stat().st_size == first[1]
    check_root_tar(tmp_path / "1.tar")
    assert written(tmp_path / "1.tar") == {
        "bin": (LINK, 0o777, "usr/bin"),
        "etc": (FOLDER, 0o755, ""),
        "etc/hosts": (FILE, 0o644, ""),
        "sh": (LINK, 0o777, "bin"),
        "tmp": (FOLDER, 0o755, ""),
        "usr": (FOLDER, 0o755, ""),
        "usr/a": (FILE, 0o755, ""),
        "usr/m": (FILE, 0o644, ""),
        "usr/z": (HARD, 0o755, "usr/a"),
    }
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in tar} == {
            (0, 0, "", "")
        }
        assert {entry.mtime for entry in tar} == {definition.time_s}
        content = tar.extractfile("usr/a")
        assert content is not None
        assert content.read() == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("/etc", FOLDER, b"", 0o755)], "'/etc', which leads out of it"),
        ([("../x", FILE, b"", 0o644)], "'../x', which leads out of it"),
        ([("a/b", FILE, b"", 0o644)], "'a/b', whose folder is none of its own"),
        (
            [("a", LINK, "/etc", 0o777), ("a/b", LINK, "x", 0o777)],
            "'a/b', whose folder is none of its own",
        ),
        ([("a", LINK, "../x", 0o777)], "the link 'a' to '../x', which leads out of it"),
        ([("a", HARD, "/etc/shadow", 0o644)], "'/etc/shadow', which is no file of it"),
        ([("b", FILE, b"", 0o644), ("a", FILE, b"", 0o644)], "'a' out of order"),
        ([("a", FILE, b"", 0o644), ("a", FILE, b"", 0o644)], "'a' out of order"),
        ([("./a", FILE, b"", 0o644)], "'./a' out of order or written otherwise"),
        ([("a", tarfile.CHRTYPE, b"", 0o644)], "'a', which is neither"),
        ([("a", FILE, b"", 0o4755)], "'a' with an owner or a mode of its own"),
        ([("a", FILE, b"", 0o777)], "'a' with an owner or a mode of its own"),
        ([("a", FOLDER, b"", 0o644)], "'a' with an owner or a mode of its own"),
    ],
)
def test_a_root_that_leads_out_is_refused(tmp_path: Path, entries: list[Entry], words: str) -> None:
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, content, mode in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            entry.linkname = content if isinstance(content, str) else ""
            tar.addfile(entry)
    with pytest.raises(RootError) as caught:
        check_root_tar(path)
    assert words in str(caught.value)


# image.json.


def test_a_document_reads_back(tmp_path: Path) -> None:
    image = small_image(Store(root=tmp_path / "cache"), tmp_path / "made")
    content = image_document(image)
    assert read_image_document(content) == image
    assert image.version_of("hello") == "1.0"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"format":1', b'"format":2', "has the format 2, and this Anvil reads format 1"),
        (b'"hello"', b'"../hello"', "has no plain word as packages[0]'s name"),
        (b'"1:2.10-3"', b'"1 2"', "no plain word as packages[0]'s version"),
        (b'"suite":"bookworm"', b'"suite":7', "has no plain word as its suite"),
        (b'"suite"', b'"sweet"', "says other things of it than architecture"),
        (b'"format":1', b' "format":1', "is not in canonical form"),
        (b"}", b"", "is not JSON"),
    ],
)
def test_another_document_is_refused(tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    image = small_image(Store(root=tmp_path / "cache"), tmp_path / "made")
    content = image_document(image)
    assert old in content
    with pytest.raises(DocumentError) as caught:
        read_image_document(content.replace(old, new, 1))
    assert words in str(caught.value)


def test_deep_or_long_documents_end(tmp_path: Path) -> None:
    del tmp_path
    for content in (b"[" * 100_000, b"[]", b"null", b"\xff", b"1" * 5000):
        with pytest.raises(DocumentError):
            read_image_document(content)


# Wheels.


def test_an_imported_image_brings_no_other_wheels_into_the_next_one(tmp_path: Path) -> None:
    store = Store(root=tmp_path / "cache")
    definition = small_definition()
    assert known_wheels(definition, store) is None
    image = small_image(store, tmp_path / "image")
    assert image.definition == definition.digest
    assert known_wheels(definition, store) is None, "the definition asks for others"
    pins = f"hello==1.0 \\\n    --hash=sha256:{image.wheels[0].sha256}\n"
    assert known_wheels(replace(definition, requirements=pins), store) == image.wheels


# Mirrors.


def test_of_the_hosts_sources_debians_alone_count() -> None:
    listing = """\
http://mirror.test/debian/ bookworm main
http://mirror.test/debian/ bookworm contrib
http://mirror.test/debian/ bookworm-updates main
http://mirror.test/debian-security/ bookworm-security main
http://other.test/linux/debian/ bookworm stable
http://php.test/php/ bookworm main
http://node.test/node nodistro main
"""
    found = [(source.uri, source.suite) for source in host_sources(listing, "bookworm")]
    assert found == [
        ("http://mirror.test/debian", "bookworm"),
        ("http://mirror.test/debian", "bookworm-updates"),
        ("http://mirror.test/debian-security", "bookworm-security"),
    ]
    other_release = listing.replace("bookworm", "trixie")
    assert [(s.uri, s.suite) for s in host_sources(other_release, "bookworm")] == found


def test_another_vendors_folder_called_debian_is_no_mirror_of_debian() -> None:
    listing = """\
http://vendor.test/debian/12/prod/ bookworm main
http://mirror.test/debian/ bookworm main
"""
    origins = (
        "http://vendor.test/debian/12/prod/ vendor bookworm\nhttp://mirror.test/debian/ Debian\n"
    )
    found = {source.uri for source in host_sources(listing, "bookworm", origins=origins)}
    assert found == {"http://mirror.test/debian"}


@pytest.mark.skipif(not KEYRING.exists(), reason="a host with Debian's keys and apt")
def test_a_mirror_is_known_before_its_lists_were_ever_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a fresh container, whose image keeps no lists.
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "sources.list").write_text("deb http://mirror.test/debian bookworm main\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\n'
        f'Dir::Etc::sourceparts "{tmp_path}/none";\n'
        f'Dir::State::lists "{tmp_path}/lists";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    apt = Apt(folder=tmp_path, cancellation=Cancellation())
    found = find_apt_sources(apt, small_definition(), ())
    assert [source.uri for source in found] == ["http://mirror.test/debian"] * 2


def test_a_host_without_debians_mirror_says_how_to_name_one() -> None:
    with pytest.raises(AnvilError) as caught:
        host_sources("http://archive.test/ubuntu noble main\n", "bookworm")
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code == 1
    assert "names no mirror of Debian bookworm" in diagnostic.message
    assert "--mirror" in str(diagnostic.hint)


def test_named_mirrors() -> None:
    named = named_sources(["file:///srv/debian/", "https://m.test/debian-security"], "bookworm")
    assert [(source.uri, source.suite) for source in named] == [
        ("file:///srv/debian", "bookworm"),
        ("file:///srv/debian", "bookworm-updates"),
        ("https://m.test/debian-security", "bookworm-security"),
    ]
    for wrong in ("mirror.test/debian", "https://a b", "", "http://x\ndeb http://y"):
        with pytest.raises(AnvilError) as caught:
            named_sources([wrong], "bookworm")
        assert caught.value.exit_code == 2
