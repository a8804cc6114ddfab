"""anvil image: build, list, export, import, remove."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.cache.location import user_store
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.image.archive import export_image, import_image, import_pool
from anvil.image.definition import read_definition
from anvil.image.dockerfile import dockerfile
from anvil.image.make import make_image
from anvil.image.store import (
    find_image,
    image_folder,
    installed_images,
    newest_image,
    remove_image,
)
from anvil.pipeline.events import Event, Outcome
from anvil.resources import built_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.cache.store import Store
    from anvil.core.image import Image
    from anvil.image.definition import Definition
    from anvil.pipeline.events import Listener
    from anvil.process import Cancellation


def current_definition() -> Definition:
    """What an image is made from by this version of Anvil."""
    folder = built_in("images")
    return read_definition(
        (folder / "root.yaml").read_bytes(), (folder / "wheels.txt").read_bytes()
    )


def build(
    *,
    project: Path,
    pool: Path | None = None,
    is_newest: bool = False,
    is_only_missing: bool = False,
    mirrors: Sequence[str] = (),
    cancellation: Cancellation,
    listener: Listener,
) -> Outcome:
    """Make an image.

    Its packages and wheels are those of an export (`pool`), or of the image that the project's
    anvil.lock names, or, with `is_newest` or where there is neither, those that the mirror has
    now. Exit 1 where the same packages and definition give another image than the one named.
    is_only_missing: make none where the one that the lock names or, without a lock, one of the
    current definition is here.
    """
    store = user_store()
    tell = _teller(listener)
    began_s = time.monotonic()
    if pool is not None:
        pinned: Image | None = import_pool(store, pool, tell)
    else:
        pinned = None if is_newest else _locked_image(project, store)
    definition = current_definition()
    if is_only_missing:
        sha256 = None if pinned is None else pinned.sha256
        here = find_image(store, sha256) if sha256 else newest_image(store, definition.digest)
        if here is not None:
            return Outcome(
                text=(f"image {here.sha256} is here",), details={"image": _as_json(here)}
            )
    image = make_image(
        definition,
        store,
        pinned=pinned,
        is_offline=pool is not None,
        mirrors=mirrors,
        cancellation=cancellation,
        tell=tell,
    )
    tell("")
    elapsed_s = time.monotonic() - began_s
    differs = _difference(image, pinned)
    return Outcome(
        text=(
            f"image {image.sha256}",
            f"  {_contents(image)}, made in {elapsed_s:.0f} s",
            f"  {image_folder(store, image)}",
        ),
        diagnostics=() if differs is None else (differs,),
        exit_codes=(ExitCode.FAILED,)
        if differs is not None and differs.severity is Severity.ERROR
        else (),
        details={"image": _as_json(image)},
    )


def _locked_image(project: Path, store: Store) -> Image | None:
    from anvil.pipeline.built_in_schemas import read_schemas
    from anvil.pipeline.lock_file import read_lock

    found = read_lock(project, read_schemas(), store)
    return None if found is None else found.lock.image


def _difference(image: Image, pinned: Image | None) -> Diagnostic | None:
    if pinned is None or pinned.sha256 == image.sha256:
        return None
    if pinned.definition == image.definition:
        return Diagnostic(
            code="image.differs",
            message=f"the same packages gave another image than {pinned.sha256}",
            hint="please report it: two builds should give the same bits",
        )
    return Diagnostic(
        code="image.other-definition",
        severity=Severity.WARNING,
        message=f"the image {pinned.sha256[:12]} was made from another definition, so that the "
        f"same packages now gave {image.sha256[:12]}",
        hint="use the Anvil that made it, or take this one: anvil lock --update image",
    )


def list_images() -> Outcome:
    """The images of this machine, the newest first."""
    store = user_store()
    current = current_definition().digest
    images = installed_images(store)
    text = tuple(
        f"{image.sha256[:12]}  {_contents(image)}"
        + ("" if image.definition == current else "  (of another definition)")
        for image in images
    )
    return Outcome(
        text=text or ("no image on this machine: anvil image build, or anvil image import FILE",),
        details={
            "definition": current,
            "images": [
                {**_as_json(image), "current": image.definition == current} for image in images
            ],
        },
    )


def export(target: Path, named: str | None, listener: Listener) -> Outcome:
    """Write an image, the newest or the one whose sha256 begins with `named`, to a file."""
    store = user_store()
    image = _choose(store, named)
    if target.is_dir():
        raise AnvilError(
            Diagnostic(
                code="image.target",
                message="an image is exported to a file, and this is a folder",
                file=str(target),
                hint="name a file in it, such as image.tar",
            )
        )
    tell = _teller(listener)
    tell(f"writing {target}")
    sha256 = export_image(store, image, dockerfile(image, current_definition()), target)
    tell("")
    return Outcome(
        text=(f"image {image.sha256}", f"  {target}, sha256 {sha256}"),
        details={"image": _as_json(image), "file": str(target), "file_sha256": sha256},
    )


def import_(source: Path, listener: Listener) -> Outcome:
    """Take an export into the cache, everything checked by digest."""
    store = user_store()
    tell = _teller(listener)
    image = import_image(store, source, tell)
    tell("")
    return Outcome(
        text=(
            f"image {image.sha256}",
            f"  {_contents(image)}",
            f"  {image_folder(store, image)}",
        ),
        details={"image": _as_json(image)},
    )


def remove(named: str) -> Outcome:
    """Take an image away, with what no other image needs of the pool."""
    store = user_store()
    image = _choose(store, named)
    remove_image(store, image)
    return Outcome(text=(f"removed {image.sha256}",), details={"image": _as_json(image)})


def _choose(store: Store, named: str | None) -> Image:
    images = installed_images(store)
    found = [image for image in images if image.sha256.startswith(named or "")]
    if named is None and found:
        current = current_definition().digest
        return next((image for image in found if image.definition == current), found[0])
    if named and len(found) == 1:
        return found[0]
    listed = ", ".join(image.sha256[:12] for image in (found or images))
    if not images:
        what, code = "there is no image on this machine", ExitCode.FAILED
        hint = "anvil image build, or anvil image import FILE"
    elif found:
        what, code = f"several images begin with {named!r}: {listed}", ExitCode.BAD_INPUT
        hint = "name more of its digits"
    else:
        what, code = f"there is no image {named!r}; there is {listed}", ExitCode.BAD_INPUT
        hint = "anvil image list"
    raise AnvilError(Diagnostic(code="image.missing", message=what, hint=hint), exit_code=code)


def _teller(listener: Listener) -> Callable[[str], None]:
    return lambda step: listener(Event(target="", step=step))


def _contents(image: Image) -> str:
    return (
        f"{image.suite} {image.architecture}, {len(image.packages)} packages, "
        f"{len(image.wheels)} wheels, {image.size_bytes / 1e6:.0f} MB"
    )


def _as_json(image: Image) -> dict[str, Any]:
    return {
        "sha256": image.sha256,
        "size_bytes": image.size_bytes,
        "definition": image.definition,
        "suite": image.suite,
        "architecture": image.architecture,
        "packages": [
            {"name": p.name, "version": p.version, "sha256": p.sha256} for p in image.packages
        ],
        "wheels": [
            {"name": w.name, "version": w.version, "sha256": w.sha256} for w in image.wheels
        ],
    }
