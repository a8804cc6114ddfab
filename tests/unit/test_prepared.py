"""What compilers prepared for isolated runs, as it lies on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anvil.build.host import HostExecutor
from anvil.build.prepared import Prepared
from anvil.build.root import Root
from anvil.cache.store import Store
from anvil.core.action import Action, Tree
from anvil.process import Cancellation
from tests.support.small_images import small_image

if TYPE_CHECKING:
    from pathlib import Path

# What Zig leaves: files below folders.
_FILL = "mkdir -p cache/o/library; echo code >cache/o/library/libc.a"


def test_every_user_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    store = Store(root=tmp_path / "cache")
    root = Root(
        image=small_image(store, tmp_path / "image"),
        tar=tmp_path / "root.tar",
        unpacked=lambda: tmp_path / "root",
        prepared=tmp_path / "prepared",
    )
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
    host = HostExecutor(store=store, cancellation=Cancellation())
    former = os.umask(0o077)
    try:
        folder = Prepared(root, store).folder_for(action, host.run)
    finally:
        os.umask(former)
    assert folder is not None
    found = {p.relative_to(folder).as_posix(): p.stat().st_mode & 0o777 for p in folder.rglob("*")}
    assert found == {"o": 0o755, "o/library": 0o755, "o/library/libc.a": 0o644}
    assert folder.stat().st_mode & 0o777 == 0o755
