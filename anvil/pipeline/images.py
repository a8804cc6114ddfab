"""anvil image: build, list, export, import, remove."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from anvil.cache.location import user_store
from anvil.image.definition import read_definition
from anvil.image.make import make_image
from anvil.image.store import image_folder, installed_images
from anvil.pipeline.events import Event, Outcome
from anvil.resources import built_in

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def build(*, mirrors: Sequence[str], cancellation: Cancellation, listener: Listener) -> Outcome:
    """Make the image of the current definition."""
    store = user_store()
    began_s = time.monotonic()
    image = make_image(
        current_definition(),
        store,
        mirrors=mirrors,
        cancellation=cancellation,
        tell=lambda step: listener(Event(target="", step=step)),
    )
    listener(Event(target="", step=""))
    elapsed_s = time.monotonic() - began_s
    return Outcome(
        text=(
            f"image {image.sha256}",
            f"  {_contents(image)}, made in {elapsed_s:.0f} s",
            f"  {image_folder(store, image)}",
        ),
        details={"image": _as_json(image)},
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
