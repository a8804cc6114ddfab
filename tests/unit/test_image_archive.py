"""Exports of images: whole, the same every time, and nothing believed that is imported."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.core.image import Image
from anvil.image.archive import export_image, import_image, import_pool
from anvil.image.parts import pool_files
from anvil.image.store import (
    damaged_parts,
    find_image,
    image_folder,
    images_root,
    installed_images,
    keep_image,
    newest_image,
    pool_of,
    remove_image,
    unpacked,
)
from tests.support.small_images import small_image

DOCKERFILE = b"FROM scratch\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


@pytest.fixture
def image(store: Store, tmp_path: Path) -> Image:
    return small_image(store, tmp_path / "made")


@pytest.fixture
def export(store: Store, image: Image, tmp_path: Path) -> Path:
    path = tmp_path / "export.tar"
    export_image(store, image, DOCKERFILE, path)
    return path


def quiet(_: str) -> None:
    pass


def check_refused(tmp_path: Path, export: Path, words: str) -> None:
    """An import ends with exit 2, one message that names the file, and nothing left behind."""
    other = Store(root=tmp_path / "other")
    with pytest.raises(AnvilError) as caught:
        import_image(other, export, quiet)
    (diagnostic,) = caught.value.diagnostics
    assert words in diagnostic.message
    assert diagnostic.file == str(export)
    assert caught.value.exit_code == 2
    assert [path for path in images_root(other).rglob("*") if path.is_file()] == []
    assert installed_images(other) == ()


def entries_of(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as tar:
        found = []
        for entry in tar:
            data = tar.extractfile(entry)
            assert data is not None
            found.append((entry, data.read()))
    return found


def rewrite(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    entries = entries_of(path)
    change(entries)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def test_an_export_is_the_same_each_time_and_imports_whole(
    store: Store, image: Image, export: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.tar"
    export_image(store, image, DOCKERFILE, again)
    assert again.read_bytes() == export.read_bytes()
    assert [entry.name for entry, _ in entries_of(export)] == [
        "export.json",
        "image.json",
        "Dockerfile",
        "pool/hello-1.0-py3-none-any.whl",
        "pool/hello_1%3a2.10-3_amd64.deb",
        "root.tar",
    ]
    other = Store(root=tmp_path / "other")
    assert import_image(other, export, quiet) == image
    assert installed_images(other) == (image,)
    assert (unpacked(other, image) / "usr" / "link").read_bytes() == b"hello\n"
    assert import_image(other, export, quiet) == image
    assert sorted(path.name for path in images_root(other).iterdir()) == sorted(
        [image.sha256, "pool"]
    )
    third = tmp_path / "third.tar"
    export_image(other, image, DOCKERFILE, third)
    assert third.read_bytes() == export.read_bytes()


def test_a_pool_comes_from_a_file_or_a_folder_without_the_root(
    image: Image, export: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    with tarfile.open(export) as tar:
        tar.extractall(folder, filter="data")
    (folder / "root.tar").unlink()
    for number, source in enumerate((export, folder)):
        other = Store(root=tmp_path / f"other{number}")
        assert import_pool(other, source, quiet) == image
        assert installed_images(other) == ()
        assert all(pool_of(other).find(sha256) for _, sha256, _ in pool_files(image))


def test_every_flipped_byte_of_a_file_is_found(export: Path, tmp_path: Path) -> None:
    for number, (entry, content) in enumerate(entries_of(export)):
        changed = tmp_path / "changed.tar"
        changed.write_bytes(export.read_bytes())
        at = len(content) // 2

        def flip(
            entries: list[tuple[tarfile.TarInfo, bytes]], number: int = number, at: int = at
        ) -> None:
            entry, content = entries[number]
            flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            entries[number] = (entry, flipped)

        rewrite(changed, flip)
        check_refused(tmp_path, changed, "")
        assert entry.name


def test_a_truncated_export_is_refused_wherever_it_ends(export: Path, tmp_path: Path) -> None:
    content = export.read_bytes()
    cut = tmp_path / "cut.tar"
    with tarfile.open(export) as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + last.size
    for size in (0, 1, 511, 512, 700, 1024, end // 2, end - 1):
        cut.write_bytes(content[:size])
        check_refused(tmp_path, cut, "")
    cut.write_bytes(content[: end - 1])
    check_refused(tmp_path, cut, "it is cut off before its end")


def test_an_export_of_another_format_names_both(export: Path, tmp_path: Path) -> None:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry, content = entries[0]
        entries[0] = (entry, content.replace(b'"format":1', b'"format":9'))

    rewrite(export, change)
    check_refused(tmp_path, export, "an export of format 9, and this Anvil reads format 1")


def test_a_wrong_digest_is_named(export: Path, tmp_path: Path) -> None:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry, _ = entries[3]
        entries[3] = (entry, b"another content\n")

    rewrite(export, change)
    check_refused(tmp_path, export, "pool/hello-1.0-py3-none-any.whl has the sha256 ")


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("../escaped", tarfile.REGTYPE, "'../escaped', which leads out of it"),
        ("pool/../../escaped", tarfile.REGTYPE, "which leads out of it"),
        ("/etc/escaped", tarfile.REGTYPE, "'/etc/escaped', which leads out of it"),
        ("pool/link", tarfile.SYMTYPE, "a link, 'pool/link' to '/etc'"),
        ("pool/link", tarfile.LNKTYPE, "a link, 'pool/link' to '/etc'"),
        ("pool", tarfile.DIRTYPE, "'pool', which is no file"),
        ("null", tarfile.CHRTYPE, "'null', which is no file"),
        ("other", tarfile.REGTYPE, "'other' where an export holds pool/hello"),
    ],
)
def test_an_entry_that_does_not_belong_is_refused(
    export: Path, tmp_path: Path, name: str, kind: bytes, words: str
) -> None:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.linkname = "/etc"
        entries.insert(3, (entry, b""))

    rewrite(export, change)
    check_refused(tmp_path, export, words)
    assert not list(tmp_path.rglob("escaped"))


def test_something_after_the_end_is_refused(export: Path, tmp_path: Path) -> None:
    rewrite(export, lambda entries: entries.append((tarfile.TarInfo("more"), b"")))
    check_refused(tmp_path, export, "'more' where an export holds nothing more")


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"PK\3\4" + b"x" * 4000)
    check_refused(tmp_path, path, "it is no export of an image")
    check_refused(tmp_path, tmp_path / "absent", "cannot read it: No such file or directory")


def test_a_root_that_leads_out_is_refused_whatever_the_digests_say(
    tmp_path: Path, store: Store
) -> None:
    image = small_image(store, tmp_path / "made")
    folder = image_folder(store, image)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        entry = tarfile.TarInfo("../escaped")
        tar.addfile(entry)
    content = evil.read_bytes()
    false = replace(image, sha256=sha256(content).hexdigest(), size_bytes=len(content))
    keep_image(store, false, evil)
    path = tmp_path / "export.tar"
    export_image(store, false, DOCKERFILE, path)
    check_refused(tmp_path, path, "the root file system in it holds '../escaped'")
    assert folder.is_dir()


# The store.


def test_the_newest_image_of_a_definition(store: Store, image: Image, tmp_path: Path) -> None:
    other = small_image(store, tmp_path / "two", text=b"another\n")
    assert installed_images(store) == (other, image)
    assert newest_image(store, image.definition) == other
    assert newest_image(store, "0" * 64) is None
    small_image(store, tmp_path / "three")  # the first again
    assert newest_image(store, image.definition) == image
    assert find_image(store, other.sha256) == other
    assert find_image(store, "0" * 64) is None


def test_removing_an_image_leaves_what_others_need(
    store: Store, image: Image, tmp_path: Path
) -> None:
    other = small_image(store, tmp_path / "two", text=b"another\n")
    unpacked(store, image)
    remove_image(store, image)
    assert installed_images(store) == (other,)
    assert not image_folder(store, image).exists()
    assert all(pool_of(store).find(sha256) for _, sha256, _ in pool_files(image))
    remove_image(store, other)
    assert list(pool_of(store).folder.iterdir()) == []


def test_a_root_is_unpacked_by_a_python_that_knows_no_filters(
    store: Store, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian 12's own, 3.11.2: they came with 3.11.4."""
    extractall = tarfile.TarFile.extractall

    def without_filters(self: tarfile.TarFile, path: str) -> None:
        extractall(self, path)

    monkeypatch.setattr(tarfile.TarFile, "extractall", without_filters)
    for name in ("data_filter", "tar_filter", "fully_trusted_filter"):
        monkeypatch.delattr(tarfile, name, raising=False)
    root = unpacked(store, image)
    assert (root / "usr" / "hello").read_bytes() == b"hello\n"
    assert (root / "usr" / "link").readlink() == Path("hello")
    assert (root / "usr").stat().st_mode & 0o777 == 0o755


def test_a_damaged_tar_is_not_unpacked(store: Store, image: Image) -> None:
    tar = image_folder(store, image) / "root.tar"
    content = bytearray(tar.read_bytes())
    content[700] ^= 1
    tar.write_bytes(content)
    with pytest.raises(AnvilError) as caught:
        unpacked(store, image)
    assert caught.value.exit_code == 1
    assert "is damaged" in caught.value.diagnostics[0].message
    assert not (image_folder(store, image) / "root").exists()


def test_a_damaged_tar_is_replaced_by_a_sound_one(
    store: Store, image: Image, tmp_path: Path
) -> None:
    tar = image_folder(store, image) / "root.tar"
    sound = tar.read_bytes()
    tar.write_bytes(sound[:700] + bytes([sound[700] ^ 1]) + sound[701:])
    assert damaged_parts(store) == (str(tar),)
    (tmp_path / "again.tar").write_bytes(sound)
    keep_image(store, image, tmp_path / "again.tar")
    assert damaged_parts(store) == ()
    assert tar.read_bytes() == sound


@pytest.mark.parametrize("damage", ["changed", "added", "removed", "linked"])
def test_a_root_that_was_changed_is_unpacked_again(store: Store, image: Image, damage: str) -> None:
    root = unpacked(store, image)
    assert damaged_parts(store) == ()
    hello, link = root / "usr" / "hello", root / "usr" / "link"
    if damage == "changed":
        hello.write_bytes(b"hellO\n")
    elif damage == "added":
        (root / "usr" / "more").write_bytes(b"")
    elif damage == "removed":
        hello.unlink()
    else:
        link.unlink()
        link.symlink_to("elsewhere")
    assert damaged_parts(store) == (str(root),)
    assert not root.exists()
    assert (unpacked(store, image) / "usr" / "hello").read_bytes() == b"hello\n"
    assert damaged_parts(store) == ()


@pytest.mark.parametrize(
    ("name", "kind_and_target"),
    [
        ("../out", (tarfile.REGTYPE, "")),
        ("/tmp/out", (tarfile.REGTYPE, "")),  # noqa: S108  it is refused
        ("usr/out", (tarfile.LNKTYPE, "../../image.json")),
    ],
)
def test_a_root_of_the_right_digest_that_is_not_anvils_is_not_unpacked(
    store: Store, image: Image, tmp_path: Path, name: str, kind_and_target: tuple[bytes, str]
) -> None:
    tar = tmp_path / "root.tar"
    with tarfile.open(tar, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind_and_target
        archive.addfile(entry)
    content = tar.read_bytes()
    other = replace(image, sha256=sha256(content).hexdigest(), size_bytes=len(content))
    keep_image(store, other, tar)
    with pytest.raises(AnvilError, match=r"root\.tar holds '.*', ") as caught:
        unpacked(store, other)
    assert caught.value.exit_code == 1
    assert [path.name for path in image_folder(store, other).iterdir() if path.is_dir()] == []


def test_a_damaged_pool_or_root_is_not_exported(store: Store, image: Image, tmp_path: Path) -> None:
    tar = image_folder(store, image) / "root.tar"
    content = tar.read_bytes()
    tar.write_bytes(content[:-1] + b"x")
    with pytest.raises(AnvilError, match=r"root\.tar of the image"):
        export_image(store, image, DOCKERFILE, tmp_path / "out" / ".." / "out.tar")
    tar.write_bytes(content)
    path = pool_of(store).path_of(image.packages[0].sha256)
    path.chmod(0o644)
    path.write_bytes(b"x")
    with pytest.raises(AnvilError, match=r"the pool lacks hello_1%3a2\.10-3_amd64\.deb"):
        export_image(store, image, DOCKERFILE, tmp_path / "out.tar")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
