"""A folder is brought to a tree, file by file, and nothing of the user's is touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from anvil.cache.store import Store
from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import digest_of
from anvil.package.install import MANIFEST, install, stale_files
from anvil.package.manifest import is_manifest_of, manifest_document
from tests.support import projects


class Places:
    """A store and a folder that trees are installed into."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root=root / "cache")
        self.folder = root / "build" / "rpi4"

    def tree(self, executables: frozenset[str] = frozenset(), **files: bytes) -> Tree:
        listed = self.store.put_tree(files, executables)
        document = manifest_document(
            projects.target("rpi4"), name="x", plan_digest="p", action_key="k", files=listed
        )
        manifest = self.store.put_tree({MANIFEST: json.dumps(document).encode()}, frozenset())
        return Tree(files=tuple(sorted((*listed.files, *manifest.files))))

    def bring(self, tree: Tree) -> list[str]:
        """Install what is stale; its paths."""
        stale = stale_files(self.folder, tree)
        contents = self.store.get_tree(Tree(files=stale))
        assert contents is not None
        install(self.folder, tree, stale, contents)
        return [node.path for node in stale]

    def found(self) -> dict[str, bytes]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_all_files_are_there_with_their_modes(places: Places) -> None:
    tree = places.tree(frozenset({"deep/program"}), **{"deep/program": b"#!", "plan.json": b"{}"})
    former = os.umask(0o077)
    try:
        assert places.bring(tree) == ["deep/program", MANIFEST, "plan.json"]
    finally:
        os.umask(former)
    assert (places.folder / "deep" / "program").stat().st_mode & 0o777 == 0o755
    assert (places.folder / "plan.json").stat().st_mode & 0o777 == 0o644
    assert stale_files(places.folder, tree) == ()


def test_only_what_differs_is_written(places: Places) -> None:
    tree = places.tree(a=b"1", b=b"2", c=b"3")
    places.bring(tree)
    kept = (places.folder / "a").stat().st_ino
    (places.folder / "b").write_bytes(b"X")
    (places.folder / "c").unlink()
    assert places.bring(tree) == ["b", "c"]
    assert (places.folder / "a").stat().st_ino == kept


def test_a_lost_executable_bit_is_put_right(places: Places) -> None:
    tree = places.tree(frozenset({"program"}), program=b"#!")
    places.bring(tree)
    (places.folder / "program").chmod(0o644)
    assert places.bring(tree) == ["program"]
    assert os.access(places.folder / "program", os.X_OK)


def test_what_an_earlier_build_left_goes_and_the_users_own_stays(places: Places) -> None:
    places.bring(places.tree(old=b"1", both=b"2"))
    (places.folder / "notes.txt").write_bytes(b"mine")
    places.bring(places.tree(new=b"3", both=b"2"))
    assert set(places.found()) == {"new", "both", "notes.txt", MANIFEST}


@pytest.mark.parametrize("path", ["../../precious", "/precious", "a/../../../precious"])
def test_a_manifest_that_was_tampered_with_removes_nothing_elsewhere(
    places: Places, tmp_path: Path, path: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    places.folder.mkdir(parents=True)
    listed = str(precious) if path.startswith("/") else path
    (places.folder / MANIFEST).write_text(json.dumps({"files": [{"path": listed}]}))
    places.bring(places.tree(new=b"1"))
    assert precious.read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": [1]}', "\ufffd"])
def test_an_unreadable_manifest_is_replaced(places: Places, text: str) -> None:
    places.folder.mkdir(parents=True)
    (places.folder / MANIFEST).write_text(text)
    tree = places.tree(new=b"1")
    places.bring(tree)
    assert stale_files(places.folder, tree) == ()


def test_the_manifest_is_written_last(places: Places) -> None:
    tree = places.tree(z=b"1")
    # A folder in z's place cannot be replaced by a file.
    (places.folder / "z" / "inside").mkdir(parents=True)
    with pytest.raises(AnvilError) as caught:
        places.bring(tree)
    assert caught.value.exit_code is ExitCode.FAILED
    assert places.found() == {}, "neither a manifest nor a temporary file"


def test_a_link_in_the_folder_is_replaced_not_followed(places: Places, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    places.folder.mkdir(parents=True)
    (places.folder / "a").symlink_to(elsewhere)
    places.bring(places.tree(a=b"1"))
    assert elsewhere.read_bytes() == b"mine"
    assert (places.folder / "a").read_bytes() == b"1"


def test_the_folder_itself_may_be_a_link(places: Places, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    places.folder.parent.mkdir(parents=True)
    places.folder.symlink_to(tmp_path / "large disk")
    places.bring(places.tree(a=b"1"))
    assert (tmp_path / "large disk" / "a").read_bytes() == b"1"


def test_the_manifest_lists_every_file_with_its_digest(places: Places) -> None:
    places.bring(places.tree(frozenset({"program"}), program=b"#!", plan=b"{}"))
    document = json.loads((places.folder / MANIFEST).read_bytes())
    assert document["files"] == [
        {
            "path": path,
            "sha256": digest_of(content).sha256,
            "size_bytes": len(content),
            "executable": path == "program",
        }
        for path, content in (("plan", b"{}"), ("program", b"#!"))
    ]
    assert document["toolchain"]["package"] == "ziglang"
    assert is_manifest_of(document, "rpi4")
    assert not is_manifest_of(document, "rpi5")


@pytest.mark.parametrize(
    "document", [None, [], {}, {"name": "a page"}, {"target": "rpi4", "files": []}]
)
def test_another_programs_manifest_is_not_ours(document: object) -> None:
    assert not is_manifest_of(document, "rpi4")
