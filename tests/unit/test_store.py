"""The store believes nothing that it has not hashed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from anvil.cache.collect import GRACE_S, collect, usage, verify
from anvil.cache.results import read_result, result_path, write_result
from anvil.cache.store import Store
from anvil.core.action import Tree
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import canonical_json, digest_of, key_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


def _damage(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_blob_comes_back(store: Store) -> None:
    digest = store.put(b"hammer")
    assert store.get(digest) == b"hammer"
    assert store.get(digest_of(b"tongs")) is None


@pytest.mark.parametrize("content", [b"hammeR", b"hamme", b""])
def test_a_damaged_blob_is_missing_and_heals(store: Store, content: bytes) -> None:
    digest = store.put(b"hammer")
    _damage(store.path_of(digest), content)
    assert store.get(digest) is None
    assert not store.path_of(digest).exists()
    assert store.put(b"hammer") == digest
    assert store.get(digest) == b"hammer"


def test_blobs_are_not_writable_by_accident(store: Store) -> None:
    assert store.path_of(store.put(b"x")).stat().st_mode & 0o777 == 0o444


def test_a_tree_with_one_lost_blob_is_missing(store: Store) -> None:
    tree = store.put_tree({"a": b"1", "b/c": b"2"}, frozenset({"b/c"}))
    assert store.get_tree(tree) == {"a": b"1", "b/c": b"2"}
    assert [node.executable for node in tree.files] == [False, True]
    store.path_of(digest_of(b"2")).unlink()
    assert store.get_tree(tree) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"format":1}',
        b'{"format":1,"outputs":[[1]]}',
        b'{"format":99,"outputs":[]}',
        b'{"format":1,"outputs":[["../x","' + b"0" * 64 + b'",1,false]]}',
        b'{"format":1,"outputs":[["x","00",1,false]]}',
    ],
)
def test_an_unreadable_result_is_a_miss(store: Store, content: bytes) -> None:
    key = key_of("k")
    write_result(store, key, Tree(files=()))
    assert read_result(store, key) == Tree(files=())
    _damage(result_path(store, key), content)
    assert read_result(store, key) is None


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AnvilError) as caught:
        Store(root=tmp_path / "file" / "cache").put(b"x")
    assert caught.value.exit_code is ExitCode.FAILED
    assert "ANVIL_CACHE_DIR" in (caught.value.diagnostics[0].hint or "")


def test_verify_finds_the_damaged_one(store: Store) -> None:
    store.put(b"whole")
    digest = store.put(b"broken")
    _damage(store.path_of(digest), b"brokeN")
    assert verify(store) == (2, (digest.sha256,))
    assert verify(store) == (1, ())


def _aged(store: Store, key: str, content: bytes, age_s: float) -> None:
    tree = store.put_tree({"f": content}, frozenset())
    write_result(store, key, tree)
    then = time.time() - age_s
    os.utime(result_path(store, key), (then, then))
    os.utime(store.path_of(digest_of(content)), (then, then))


def test_collection_drops_what_was_used_longest_ago(store: Store) -> None:
    keys = [key_of(n) for n in range(3)]
    for n, key in enumerate(keys):
        _aged(store, key, bytes([n]) * 100, 10 * GRACE_S + n)
    collected = collect(store, 250)
    assert (collected.n_results, collected.n_blobs, collected.freed_bytes) == (1, 1, 100)
    assert [read_result(store, key) is not None for key in keys] == [True, True, False]
    assert usage(store).blob_bytes == 200


def test_collection_spares_the_young_and_what_others_share(store: Store) -> None:
    _aged(store, key_of("old"), b"shared", 10 * GRACE_S)
    _aged(store, key_of("new"), b"shared", 5 * GRACE_S)
    young = store.put(b"named by no result yet")
    collect(store, 6)
    assert store.get(young) is not None
    assert read_result(store, key_of("new")) is not None
    assert read_result(store, key_of("old")) is not None, "it costs nothing more"


def test_the_canonical_form_and_its_key_never_change() -> None:
    value = {"b": [1, None, True, "ü"], "a": {"y": 1.5, "x": -0.0}}
    assert canonical_json(value) == '{"a":{"x":-0.0,"y":1.5},"b":[1,null,true,"ü"]}'.encode()
    assert key_of(value) == ("328ed2890f66e106f343cb43a228b6d9ceed20e24205cc8f1c89502f8344be85")
