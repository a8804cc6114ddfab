"""The root file system for tests of isolated builds: the newest of the user's own cache.

Making one takes minutes and a mirror, so that no test does: `anvil image build` has, or the tests
are left out, counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anvil.build.root import Root
from anvil.cache.location import user_store
from anvil.core.diagnostics import AnvilError
from anvil.image.store import image_folder, newest_image, tar_path, unpacked
from anvil.pipeline.images import current_definition
from tests.support.programs import MISSING

if TYPE_CHECKING:
    from anvil.cache.store import Store


def _users_store() -> Store | None:
    try:
        return user_store()
    except AnvilError:  # a user without a home
        return None


# Looked up at import: end-to-end tests put a cache of their own in its place.
_STORE = _users_store()


def require_root() -> Root:
    """The root of the current definition, or a skip that is counted."""
    store = _STORE
    image = newest_image(store, current_definition().digest) if store is not None else None
    if store is None or image is None:
        pytest.skip(f"{MISSING}a root file system (anvil image build)")
    return Root(
        image=image,
        tar=tar_path(store, image),
        unpacked=lambda: unpacked(store, image),
        prepared=image_folder(store, image) / "prepared",
    )
