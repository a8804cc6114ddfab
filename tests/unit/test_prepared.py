"""What compilers prepared for isolated runs, as it lies on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anvil.build.host import HostExecutor
from anvil.build.prepared import Prepared
from anvil.build.root import Root
from anvil.cache.store import Store
from anvil.core.action import Action, Tree
from anvil.process import Cancellation
from tests.support.small_images import small_image

# What Zig leaves: files below folders.
_FILL = "mkdir -p cache/o/library; echo code >cache/o/library/libc.a"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(
        image=small_image(Store(root=tmp_path / "cache"), tmp_path / "image"),
        tar=tmp_path / "root.tar",
        unpacked=lambda: tmp_path / "root",
        prepared=tmp_path / "prepared",
    )


def prepare(root: Root) -> Path:
    """What an action finds, as a command of its own asks for it."""
    store = Store(root=root.tar.parent / "cache")
    host = HostExecutor(store=store, cancellation=Cancellation())
    action = Action(
        kind="build",
        argv=("true",),
        environment=(),
        inputs=Tree(files=()),
        tools=(),
        outputs=(),
        timeout_s=60,
        warm_up=(("sh", "-c", _FILL),),
    )
    folder = Prepared(root, store).folder_for(action, host.run)
    assert folder is not None
    return folder


def test_every_user_may_read_it_whatever_the_umask(root: Root) -> None:
    former = os.umask(0o077)
    try:
        folder = prepare(root)
    finally:
        os.umask(former)
    found = {p.relative_to(folder).as_posix(): p.stat().st_mode & 0o777 for p in folder.rglob("*")}
    assert found == {"o": 0o755, "o/library": 0o755, "o/library/libc.a": 0o644}
    assert {one.stat().st_mode & 0o777 for one in (folder, folder.parent)} == {0o755}


def test_it_is_made_once(root: Root) -> None:
    before = (prepare(root) / "o" / "library" / "libc.a").stat().st_ino
    assert (prepare(root) / "o" / "library" / "libc.a").stat().st_ino == before


@pytest.mark.parametrize("damage", ["changed", "lost", "added", "unknown"])
def test_what_was_damaged_is_made_anew(root: Root, damage: str) -> None:
    folder = prepare(root)
    library = folder / "o" / "library" / "libc.a"
    if damage == "changed":
        library.write_text("other\n")
    elif damage == "lost":
        library.unlink()
    elif damage == "added":
        (folder / "o" / "more").write_text("x")
    else:
        (folder.parent / "digest").unlink()
    assert prepare(root) == folder
    assert library.read_text() == "code\n"
    assert not (folder / "o" / "more").exists()
