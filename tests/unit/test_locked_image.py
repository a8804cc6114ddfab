"""Which root file system is used, locked and compared, by what this machine has."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.image import Image
from anvil.image.store import image_folder, keep_image
from anvil.lock.document import FILE_NAME, lock_text
from anvil.pipeline.locked_image import (
    definition_digest,
    image_to_compare,
    image_to_lock,
    image_to_use,
    locked_image,
)
from tests.support.locks import IMAGE, lock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def image_of(name: str, definition: str | None = None) -> tuple[Image, bytes]:
    """A root file system of one file, and its tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    tar = stream.getvalue()
    sha256 = hashlib.sha256(tar).hexdigest()
    image = replace(
        IMAGE,
        sha256=sha256,
        size_bytes=len(tar),
        definition=definition or definition_digest(),
    )
    return image, tar


def keep(store: Store, name: str, age_s: int = 0, definition: str | None = None) -> Image:
    """Have an image in the store, as old as said."""
    image, content = image_of(name, definition)
    store.root.mkdir(exist_ok=True)
    tar = store.root / "new.tar"
    tar.write_bytes(content)
    keep_image(store, image, tar)
    document = image_folder(store, image) / "image.json"
    then = document.stat().st_mtime - age_s
    os.utime(document, (then, then))
    return image


def write(project: Path, image: Image | None) -> None:
    (project / FILE_NAME).write_bytes(lock_text(lock(image)))


def refusal(store: Store, project: Path) -> AnvilError:
    with pytest.raises(AnvilError) as caught:
        image_to_use(store, project, is_locked=True)
    return caught.value


def test_the_lock_s_image_is_used_and_not_a_newer_one(store: Store, project: Path) -> None:
    old, new = keep(store, "old", age_s=100), keep(store, "new")
    assert image_to_use(store, project, is_locked=False) == (new, None)
    write(project, old)
    assert locked_image(store, project) == old
    for is_locked in (False, True):
        assert image_to_use(store, project, is_locked=is_locked) == (old, None)


def test_the_lock_s_image_is_used_whatever_the_definition_is_now(
    store: Store, project: Path
) -> None:
    former = keep(store, "former", definition="0" * 64)
    write(project, former)
    assert image_to_use(store, project, is_locked=False) == (former, None)


def test_another_image_is_used_with_a_word_and_never_with_locked(
    store: Store, project: Path
) -> None:
    here, elsewhere = keep(store, "here"), image_of("elsewhere")[0]
    write(project, elsewhere)
    found, said = image_to_use(store, project, is_locked=False)
    assert found == here
    assert said is not None
    assert f"{elsewhere.sha256[:12]}, which is not here: {here.sha256[:12]} is taken" in said
    error = refusal(store, project)
    assert error.exit_code is ExitCode.FAILED
    assert elsewhere.sha256[:12] in error.diagnostics[0].message
    assert "anvil image import FILE" in (error.diagnostics[0].hint or "")


def test_a_lock_without_an_image_is_no_lock_of_it(store: Store, project: Path) -> None:
    here = keep(store, "here")
    write(project, None)
    assert image_to_use(store, project, is_locked=False) == (here, None)
    error = refusal(store, project)
    assert error.exit_code is ExitCode.FAILED
    assert "anvil lock --update image" in (error.diagnostics[0].hint or "")


def test_no_lock_and_a_broken_one_are_refused_with_locked_only(store: Store, project: Path) -> None:
    assert image_to_use(store, project, is_locked=False) == (None, None)
    assert refusal(store, project).exit_code is ExitCode.BAD_INPUT
    (project / FILE_NAME).write_text("format: 9\n")
    here = keep(store, "here")
    assert image_to_use(store, project, is_locked=False) == (here, None)
    assert refusal(store, project).diagnostics[0].code == "lock.format"


# What a lock written now names.


def test_a_machine_without_an_image_keeps_the_lock_s(store: Store) -> None:
    elsewhere = image_of("elsewhere")[0]
    assert image_to_lock(store, None) is None
    assert image_to_lock(store, elsewhere) == elsewhere
    assert image_to_lock(store, replace(elsewhere, definition="0" * 64)) is None


def test_the_locked_image_stays_while_it_is_here(store: Store) -> None:
    old, new = keep(store, "old", age_s=100), keep(store, "new")
    assert image_to_lock(store, old) == old
    assert image_to_lock(store, None) == new
    assert image_to_lock(store, image_of("elsewhere")[0]) == new
    assert image_to_lock(store, replace(old, definition="0" * 64)) == new


def test_only_the_definition_of_a_locked_image_is_compared() -> None:
    current = image_of("elsewhere")[0]
    assert image_to_compare(current) == current
    assert image_to_compare(replace(current, definition="0" * 64)) == current
    assert image_to_compare(None) is None
