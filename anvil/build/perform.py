"""An action's outputs: known from the cache, or made by running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anvil.cache.results import read_result, write_result
from anvil.cache.store import VanishedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree
    from anvil.core.executor import Executor

    # Asked only when something has to run: what is known starts no engine and imports nothing.
    ExecutorFor = Callable[[Action], Executor]

_T = TypeVar("_T")
_ATTEMPTS = 3


def known(key: str, store: Store) -> Tree | None:
    """What an earlier run with the same key gave, if its blobs still exist."""
    tree = read_result(store, key)
    if tree is None or not all(store.path_of(node.digest).is_file() for node in tree.files):
        return None
    return tree


def perform(action: Action, store: Store, executor_for: ExecutorFor) -> Tree:
    """Run `action` unless its outputs are known. A failure raises AnvilError and is not kept."""
    tree = known(action.key, store)
    if tree is None:
        tree = executor_for(action).run(action)
        write_result(store, action.key, tree)
    return tree


def perform_files(
    action: Action, store: Store, executor_for: ExecutorFor
) -> tuple[Tree, dict[str, bytes]]:
    """`perform`, and its outputs' bytes. Raises VanishedError where one is damaged."""
    outputs = perform(action, store, executor_for)
    files = store.get_tree(outputs)
    if files is None:
        raise VanishedError
    return outputs, files


def healing(step: Callable[[], _T]) -> _T:
    """What `step` gives, begun again where a blob that it believed known turns out damaged.

    The store has removed that blob by then, so that the next round makes it again.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return step()
        except VanishedError:
            continue
    return step()
