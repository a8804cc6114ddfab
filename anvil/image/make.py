"""An image from its definition: download what is missing, then make the root from the pool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.image import Image
from anvil.image.failure import explained, failed
from anvil.image.packages import get_packages, require_here
from anvil.image.parts import pool_files
from anvil.image.root_tar import write_root_tar
from anvil.image.rootfs import make_unpacked, work_folder
from anvil.image.store import images_root, keep_image, newest_image, pool_of
from anvil.image.wheels import get_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anvil.cache.store import Store
    from anvil.core.image import Wheel
    from anvil.image.definition import Definition
    from anvil.image.pool import Pool
    from anvil.process import Cancellation


def make_image(
    definition: Definition,
    store: Store,
    *,
    pinned: Image | None = None,
    is_offline: bool = False,
    mirrors: Sequence[str] = (),
    cancellation: Cancellation,
    tell: Callable[[str], None],
) -> Image:
    """Make an image and keep it in the store.

    pinned: the image whose packages and wheels are taken, by digest and no others, such as a
    lock's; what the pool has of them needs no network. is_offline: refuse where the pool lacks
    one. `tell` gets a line for people at each step. Nothing is left behind where it fails or is
    interrupted, but for files of the pool. Raises AnvilError (exit 1).
    """
    require_here(definition)
    pool = pool_of(store)
    if pinned is not None:
        _check_pinned(definition, pinned, pool, is_offline=is_offline)
    where = images_root(store)
    with explained(str(where)):
        where.mkdir(parents=True, exist_ok=True)
        (store.root / "work").mkdir(parents=True, exist_ok=True)
    with explained(str(where)), store.work_folder() as downloads:
        packages = get_packages(
            definition,
            pool,
            pinned=None if pinned is None else pinned.packages,
            mirrors=mirrors,
            folder=Path(downloads),
            cancellation=cancellation,
            tell=tell,
        )
        wheels = get_wheels(
            definition,
            pool,
            pinned=known_wheels(definition, store) if pinned is None else pinned.wheels,
            folder=Path(downloads),
            cancellation=cancellation,
            tell=tell,
        )
        with work_folder(store.root / "work") as folder:
            unpacked = make_unpacked(
                packages,
                wheels,
                definition=definition,
                pool=pool,
                folder=folder,
                cancellation=cancellation,
                tell=tell,
            )
            tell("writing the root file system")
            tar = Path(downloads) / "root.tar"
            sha256, size_bytes = write_root_tar(unpacked, definition, tar)
        image = Image(
            sha256=sha256,
            size_bytes=size_bytes,
            definition=definition.digest,
            suite=definition.suite,
            architecture=definition.architecture,
            packages=packages,
            wheels=wheels,
        )
        keep_image(store, image, tar)
    return image


def known_wheels(definition: Definition, store: Store) -> tuple[Wheel, ...] | None:
    """The wheels of this machine's newest image of the definition; None without one.

    The definition pins wheels, so that all its images have the same. One that was imported says
    of itself that it is of this definition, and is believed only where its wheels are the pinned.
    """
    image = newest_image(store, definition.digest)
    if image is None or not all(
        f"--hash=sha256:{wheel.sha256}" in definition.requirements for wheel in image.wheels
    ):
        return None
    return image.wheels


def _check_pinned(definition: Definition, pinned: Image, pool: Pool, *, is_offline: bool) -> None:
    """Refuse packages and wheels that cannot make a whole root."""
    lacking = sorted(
        {*definition.packages, *definition.wheel_names}
        - {package.name for package in pinned.packages}
        - {wheel.name for wheel in pinned.wheels}
    )
    if lacking:
        raise failed(
            "lacking",
            f"the image {pinned.sha256[:12]} was made without {', '.join(lacking)}, which this "
            "Anvil's images need",
            "take today's packages: anvil image build --newest",
        )
    gone = [name for name, sha256, _ in pool_files(pinned) if pool.find(sha256) is None]
    if is_offline and gone:
        raise failed("pool", f"the pool lacks {', '.join(gone)}")
