"""A disk that is full at any step of making or moving an image: one message, nothing left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.core.image import Image
from anvil.image.archive import export_image, import_image
from anvil.image.store import images_root, keep_image, pool_of, tar_path, unpacked
from tests.support.made_images import has_work_left, make, quiet


def check_full(error: AnvilError, where: Path) -> None:
    (diagnostic,) = error.diagnostics
    assert error.exit_code == 1
    assert diagnostic.code == "image.disk-full", diagnostic.message
    assert f"no space is left on the disk of {where}" in diagnostic.message
    assert "ANVIL_CACHE_DIR" in str(diagnostic.hint)


def check_nothing_left(store: Store) -> None:
    assert has_work_left(store) == []
    assert {path.name for path in images_root(store).glob("*")} <= {"pool"}
    assert not list(pool_of(store).folder.glob(".tmp-*"))


# What still fits: nothing, the lists of packages, the unpacked root.
@pytest.mark.parametrize("mounted", ["size=16k", "size=110m", "size=260m"], indirect=True)
@pytest.mark.usefixtures("made")  # a mirror is in reach
def test_an_image_that_finds_no_space(mounted: Path) -> None:
    store = Store(root=mounted / "cache")
    with pytest.raises(AnvilError) as caught:
        make(store)
    check_full(caught.value, mounted)
    check_nothing_left(store)


# What still fits: nothing, the packages.
@pytest.mark.parametrize("mounted", ["size=16k", "size=40m"], indirect=True)
def test_an_import_that_finds_no_space(
    made: tuple[Store, Image], mounted: Path, tmp_path: Path
) -> None:
    export_image(*made, b"", tmp_path / "export.tar")
    store = Store(root=mounted / "cache")
    with pytest.raises(AnvilError) as caught:
        import_image(store, tmp_path / "export.tar", quiet)
    check_full(caught.value, mounted)
    check_nothing_left(store)


@pytest.mark.parametrize("mounted", ["size=60m"], indirect=True)
def test_an_export_that_finds_no_space(made: tuple[Store, Image], mounted: Path) -> None:
    with pytest.raises(AnvilError) as caught:
        export_image(*made, b"", mounted / "export.tar")
    check_full(caught.value, mounted)
    assert list(mounted.iterdir()) == []


@pytest.mark.parametrize("mounted", ["size=100m"], indirect=True)
def test_a_root_that_finds_no_space_to_be_unpacked(
    made: tuple[Store, Image], mounted: Path
) -> None:
    _, image = made
    store = Store(root=mounted / "cache")
    images_root(store).mkdir(parents=True)
    shutil.copy(tar_path(*made), mounted / "root.tar")
    folder = keep_image(store, image, mounted / "root.tar")
    with pytest.raises(AnvilError) as caught:
        unpacked(store, image)
    check_full(caught.value, mounted)
    assert {path.name for path in folder.iterdir()} <= {"image.json", "root.tar", ".lock"}
