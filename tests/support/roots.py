"""The root file system for tests of isolated builds: the user's own, or made once for all tests.

Making one takes minutes and a mirror. It is kept beside pytest's own cache, so that it is made
again only when its definition has changed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from anvil.cache.location import user_store
from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.image.make import make_image
from anvil.image.store import newest_image
from anvil.pipeline.images import current_definition
from anvil.pipeline.root import root_of
from anvil.process import Cancellation
from tests.support.made_images import is_out_of_reach, quiet
from tests.support.programs import MISSING, ROOT
from tests.system_packages import PACKAGES, find

if TYPE_CHECKING:
    from anvil.build.root import Root

_LASTING = ROOT / ".pytest_cache" / "anvil"


def _users_store() -> Store | None:
    try:
        return user_store()
    except AnvilError:  # a user without a home
        return None


# Looked up at import: end-to-end tests put a cache of their own in its place.
_STORE = _users_store()


def require_root() -> Root:
    """The root of the current definition, or a skip that is counted."""
    root = _root()
    if isinstance(root, str):
        pytest.skip(f"{MISSING}a root file system ({root})")
    return root


@functools.cache
def _root() -> Root | str:
    # Without one, why there is none.
    definition = current_definition()
    lasting = Store(root=_LASTING)
    for store in (_STORE, lasting):
        image = None if store is None else newest_image(store, definition.digest)
        if store is not None and image is not None:
            return root_of(store, image)
    if find("mmdebstrap") is None:
        return f"and mmdebstrap to make it, package {PACKAGES['mmdebstrap']}"
    _LASTING.mkdir(parents=True, exist_ok=True)
    # Two runs of the tests make it once.
    with FileLock(_LASTING / "lock"):
        image = newest_image(lasting, definition.digest)
        if image is None:
            try:
                image = make_image(definition, lasting, cancellation=Cancellation(), tell=quiet)
            except AnvilError as error:
                if is_out_of_reach(error):
                    return "and a mirror to make it of"
                raise
    return root_of(lasting, image)
