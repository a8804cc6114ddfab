"""Which root file system a project's hermetic builds run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.build.root import Root
    from anvil.cache.store import Store
    from anvil.core.image import Image

_PREPARED = "prepared"  # in the image's folder, and removed with it


def find_root(store: Store, project: Path, *, is_locked: bool) -> tuple[Root, str | None]:
    """The root that `image_to_use` gives for the project in `project`, and what that says of it.

    Raises AnvilError: exit 1 where this machine has none, and as `image_to_use` does.
    """
    from anvil.pipeline.locked_image import image_to_use

    image, said = image_to_use(store, project, is_locked=is_locked)
    if image is None:
        raise AnvilError(
            Diagnostic(
                code="image.missing",
                message="this machine has no root file system of this version of Anvil",
                hint="make it with `anvil image build`, which takes minutes, or bring it here "
                "with `anvil image import FILE`",
            ),
            exit_code=ExitCode.FAILED,
        )
    return root_of(store, image), said


def root_of(store: Store, image: Image) -> Root:
    """An image of the store, as executors take it."""
    from anvil.build.root import Root
    from anvil.image.store import image_folder, tar_path, unpacked

    return Root(
        image=image,
        tar=tar_path(store, image),
        unpacked=lambda: unpacked(store, image),
        prepared=image_folder(store, image) / _PREPARED,
    )
