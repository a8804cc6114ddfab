"""An action's outputs: known from the cache, or made by running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anvil.cache.results import read_result, write_result

if TYPE_CHECKING:
    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree
    from anvil.process import Cancellation


def known(action: Action, store: Store) -> Tree | None:
    """The outputs of an earlier run with the same key, if their blobs still exist."""
    tree = read_result(store, action.key)
    if tree is None or not all(store.path_of(node.digest).is_file() for node in tree.files):
        return None
    return tree


def perform(
    action: Action, store: Store, cancellation: Cancellation, *, again: bool = False
) -> Tree:
    """Run `action` unless its outputs are known; `again` runs it in any case.

    A failure raises AnvilError and is never kept.
    """
    tree = None if again else known(action, store)
    if tree is None:
        # Only a miss pays for the executor's imports.
        from anvil.build.host import run_action  # noqa: PLC0415

        tree = run_action(action, store, cancellation)
        write_result(store, action.key, tree)
    return tree
