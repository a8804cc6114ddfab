"""Images of few packages, made by the real tools."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anvil.image.make import make_image
from anvil.pipeline.images import current_definition
from anvil.process import Cancellation

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.cache.store import Store
    from anvil.core.diagnostics import AnvilError
    from anvil.core.image import Image
    from anvil.image.definition import Definition


def few_packages() -> Definition:
    """The definition with Python and a shell alone, and one wheel."""
    whole = current_definition()
    wheel = whole.requirements.partition("intelhex==")[2].partition("\nmarshmallow")[0]
    return replace(
        whole,
        packages=("base-files", "coreutils", "dash", "python3"),
        requirements=f"intelhex=={wheel}\n",
        multilibs=(),
        links=(("usr/local/bin/python3", "../../bin/python3.11"),),
        digest="f" * 64,
    )


def quiet(_: str) -> None:
    """A listener that says nothing."""


def is_out_of_reach(error: AnvilError) -> bool:
    """Whether an image failed because this machine reaches no mirror of Debian."""
    return not {one.code for one in error.diagnostics}.isdisjoint(
        {"image.mirror", "image.no-mirror"}
    )


def make(
    store: Store,
    *,
    pinned: Image | None = None,
    is_offline: bool = False,
    mirrors: tuple[str, ...] = (),
) -> Image:
    """An image of few packages."""
    return make_image(
        few_packages(),
        store,
        pinned=pinned,
        is_offline=is_offline,
        mirrors=mirrors,
        cancellation=Cancellation(),
        tell=quiet,
    )


def has_work_left(store: Store) -> list[Path]:
    """What an image that failed should have removed."""
    return [*(store.root / "work").glob("action-*"), *(store.root / "images").glob(".tmp-*")]
