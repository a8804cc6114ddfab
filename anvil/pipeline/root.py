"""Which root file system a project's hermetic builds run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.build.root import Root
    from anvil.cache.store import Store

_PREPARED = "prepared"  # in the image's folder, and removed with it


def find_root(store: Store, project: Path) -> Root:
    """The root that anvil.lock in `project` names, or else the newest of this version of Anvil.

    Raises AnvilError: exit 1 where this machine has none, exit 2 where the lock is wrong.
    """
    from anvil.build.root import Root
    from anvil.image.store import find_image, image_folder, newest_image, tar_path, unpacked
    from anvil.pipeline.images import current_definition
    from anvil.pipeline.load import read_schemas
    from anvil.pipeline.lock_file import read_lock

    locked = read_lock(project, read_schemas(), store)
    named = None if locked is None else locked.lock.image
    if named is not None:
        image = find_image(store, named.sha256)
        missing = f"anvil.lock names the root file system {named.sha256[:12]}, which is not here"
    else:
        image = newest_image(store, current_definition().digest)
        missing = "this machine has no root file system of this version of Anvil"
    if image is None:
        raise AnvilError(
            Diagnostic(
                code="image.missing",
                message=missing,
                hint="make it with `anvil image build`, which takes minutes, or bring it here "
                "with `anvil image import FILE`",
            ),
            exit_code=ExitCode.FAILED,
        )
    return Root(
        image=image,
        tar=tar_path(store, image),
        unpacked=lambda: unpacked(store, image),
        prepared=image_folder(store, image) / _PREPARED,
    )
