"""Images from a mirror of our own: versions that it drops, and lists that nobody may change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.image import packages, sources
from anvil.image.archive import export_image, import_pool
from anvil.image.store import pool_of
from anvil.lock.document import lock_text
from tests.support.cli import anvil
from tests.support.debian_mirror import Signer, in_version, signer, write_mirror
from tests.support.locks import lock
from tests.support.made_images import has_work_left, make, quiet
from tests.support.roots import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anvil.core.image import Image

OLD = "12.4~older"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A mirror, what it can offer, and who signs."""

    folder: Path
    today: tuple[Path, ...]
    older: tuple[Path, ...]  # with another version of base-files
    signer: Signer

    def offer(self, debs: tuple[Path, ...]) -> str:
        return write_mirror(self.folder, debs, self.signer)


@pytest.fixture(scope="module")
def mirror(made: tuple[Store, Image], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    store, image = made
    folder = tmp_path_factory.mktemp("mirror")
    pool = pool_of(store)
    changed = next(one.sha256 for one in image.packages if one.name == "base-files")
    older = in_version(pool.path_of(changed), OLD, folder / "older.deb")
    others = tuple(pool.path_of(one.sha256) for one in image.packages if one.sha256 != changed)
    with signer() as one:
        yield Mirror(
            folder=folder / "debian",
            today=(*others, pool.path_of(changed)),
            older=(*others, older),
            signer=one,
        )


@pytest.fixture
def trusted(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is taken for Debian's."""
    for module in (packages, sources):
        monkeypatch.setattr(module, "KEYRING", mirror.signer.keyring)


@pytest.mark.usefixtures("trusted")
def test_a_locked_version_that_the_mirror_dropped_comes_from_an_export(
    made: tuple[Store, Image], mirror: Mirror, tmp_path: Path
) -> None:
    first = Store(root=tmp_path / "first")
    locked = make(first, mirrors=(mirror.offer(mirror.older),))
    assert ("base-files", OLD) in {(one.name, one.version) for one in locked.packages}
    export_image(first, locked, b"", tmp_path / "export.tar")
    moved_on = mirror.offer(mirror.today)
    second = Store(root=tmp_path / "second")
    with pytest.raises(AnvilError) as caught:
        make(second, pinned=locked, mirrors=(moved_on,))
    (diagnostic,) = caught.value.diagnostics
    assert caught.value.exit_code == 1
    assert diagnostic.message == f"neither the pool nor the mirror has base-files {OLD}"
    for way in ("anvil image import FILE", "--pool FILE", "anvil lock --update image"):
        assert way in str(diagnostic.hint)
    assert has_work_left(second) == []
    # The ways out: an export's pool gives what is locked, the mirror today's packages.
    assert import_pool(second, tmp_path / "export.tar", quiet) == locked
    assert make(second, pinned=locked, is_offline=True) == locked
    assert make(second, mirrors=(moved_on,)) == made[1]


@pytest.mark.usefixtures("made")  # a mirror is in reach
def test_the_command_names_what_a_lock_asks_for_in_vain(tmp_path: Path) -> None:
    root = require_root()
    image = root.image
    (here,) = (one for one in image.packages if one.name == "base-files")
    gone = replace(here, version=OLD, sha256="0" * 64)
    locked = tuple(gone if one == here else one for one in image.packages)
    (tmp_path / "anvil.lock").write_bytes(lock_text(lock(replace(image, packages=locked))))
    (tmp_path / "cache" / "images").mkdir(parents=True)
    pool = tmp_path / "cache" / "images" / "pool"
    pool.symlink_to(root.tar.parents[1] / "pool", target_is_directory=True)
    ended = anvil(
        *("image", "build", "--project", tmp_path, "--json"),
        ANVIL_CACHE_DIR=str(tmp_path / "cache"),
    )
    (diagnostic,) = ended.document()["diagnostics"]
    assert (ended.returncode, diagnostic["code"]) == (1, "image.superseded")
    assert diagnostic["message"] == f"neither the pool nor the mirror has base-files {OLD}"


def test_a_mirror_that_debian_did_not_sign_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    address = mirror.offer(mirror.today)
    words = ("image", "build", "--newest", "--mirror", address, "--json")
    ended = anvil(*words, ANVIL_CACHE_DIR=str(tmp_path / "cache"))
    (diagnostic,) = ended.document()["diagnostics"]
    assert (ended.returncode, diagnostic["code"]) == (1, "image.mirror")
    assert "signatures couldn't be verified" in diagnostic["message"]
    assert has_work_left(Store(root=tmp_path / "cache")) == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("what", ["list", "package"])
def test_what_was_changed_after_it_was_signed_is_refused(
    what: str, mirror: Mirror, tmp_path: Path
) -> None:
    address = mirror.offer(mirror.today)
    if what == "list":
        changed = mirror.folder / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages"
    else:
        changed = min((mirror.folder / "pool").iterdir())
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    store = Store(root=tmp_path / "cache")
    with pytest.raises(AnvilError) as caught:
        make(store, mirrors=(address,))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == ("image.mirror" if what == "list" else "image.download")
    assert "Hash Sum mismatch" in diagnostic.message
    assert has_work_left(store) == []
    assert not list(store.root.glob("images/pool/*"))
