"""The cache beside running builds, on odd machines, and after damage."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from anvil.build.perform import healing, known
from anvil.cache import location
from anvil.cache.collect import GRACE_S, collect, usage, verify
from anvil.cache.results import read_result, result_path, write_result
from anvil.cache.store import TEMPORARY, Store, VanishedError
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.core.digest import canonical_json, digest_of, key_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "cache")


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def _keep(store: Store, key: str, content: bytes, age_s: float) -> None:
    write_result(store, key, store.put_tree({"f": content}, frozenset()))
    _age(result_path(store, key), age_s)
    _age(store.path_of(digest_of(content)), age_s)


def test_a_blob_of_the_right_size_and_wrong_bytes_is_written_again(store: Store) -> None:
    path = store.path_of(store.put(b"hammer"))
    path.chmod(0o644)
    path.write_bytes(b"hammeR")
    store.put(b"hammer")
    assert path.read_bytes() == b"hammer"


@pytest.mark.parametrize("field", ["path", "sha256", "executable"])
def test_an_entry_that_was_changed_is_a_miss(store: Store, field: str) -> None:
    key = key_of("k")
    write_result(store, key, store.put_tree({"program": b"1"}, frozenset()))
    path = result_path(store, key)
    document = json.loads(path.read_bytes())
    row = document["outputs"][0]
    place = {"path": 0, "sha256": 1, "executable": 3}[field]
    row[place] = {"path": "prograM", "sha256": "0" * 64, "executable": True}[field]
    path.chmod(0o644)
    path.write_bytes(canonical_json(document))
    assert read_result(store, key) is None


def test_an_entry_of_another_key_is_a_miss(store: Store) -> None:
    write_result(store, key_of("a"), store.put_tree({"f": b"1"}, frozenset()))
    other = result_path(store, key_of("b"))
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(result_path(store, key_of("a")).read_bytes())
    assert read_result(store, key_of("b")) is None


def test_collection_leaves_what_is_being_written(store: Store) -> None:
    write_result(store, key_of("k"), store.put_tree({"f": b"1"}, frozenset()))
    folders = [result_path(store, key_of("k")).parent, store.path_of(digest_of(b"1")).parent]
    for folder in folders:
        (folder / f"{TEMPORARY}now").write_bytes(b"half")
        (folder / f"{TEMPORARY}before").write_bytes(b"half")
        _age(folder / f"{TEMPORARY}before", 2 * GRACE_S)
    collect(store, 10**9)
    for folder in folders:
        assert (folder / f"{TEMPORARY}now").exists()
        assert not (folder / f"{TEMPORARY}before").exists()
    assert usage(store).n_blobs == 1
    assert verify(store) == (1, ())


def test_nothing_older_stays_once_a_result_did_not_fit(store: Store) -> None:
    _keep(store, key_of("new"), b"n" * 60, 2 * GRACE_S)
    _keep(store, key_of("large"), b"l" * 90, 3 * GRACE_S)
    _keep(store, key_of("old"), b"o" * 30, 4 * GRACE_S)
    assert collect(store, 100).n_results == 2
    assert read_result(store, key_of("new")) is not None
    assert read_result(store, key_of("old")) is None


def _fill_tool_cache(store: Store, age_s: float) -> Path:
    file = store.tool_cache / "o" / "1" / "libc.a"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 500)
    for path in (file, file.parent, file.parent.parent, store.tool_cache):
        _age(path, age_s)
    return file


def test_the_compilers_caches_count_and_go_as_a_whole(store: Store) -> None:
    file = _fill_tool_cache(store, 2 * GRACE_S)
    _keep(store, key_of("k"), b"n" * 60, 2 * GRACE_S)
    assert collect(store, 600).freed_bytes == 0
    assert file.exists()
    assert collect(store, 100).freed_bytes == 500
    assert not store.tool_cache.exists()
    assert list((store.root / "work").iterdir()) == []
    assert known(key_of("k"), store) is not None


def test_the_compilers_caches_stay_while_they_are_used(store: Store) -> None:
    file = _fill_tool_cache(store, GRACE_S / 2)
    assert collect(store, 0).freed_bytes == 0
    assert file.exists()


def test_a_step_begins_again_until_its_blobs_are_whole() -> None:
    rounds: list[int] = []

    def step() -> int:
        rounds.append(len(rounds))
        if len(rounds) < 3:
            raise VanishedError
        return len(rounds)

    assert healing(step) == 3

    def hopeless() -> None:
        raise VanishedError

    with pytest.raises(AnvilError) as caught:
        healing(hopeless)
    assert caught.value.exit_code is ExitCode.FAILED


def test_a_user_without_a_home_is_told_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("ANVIL_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(AnvilError) as caught:
        location.user_store()
    assert "ANVIL_CACHE_DIR" in (caught.value.diagnostics[0].hint or "")


def test_a_relative_cache_folder_is_of_the_current_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANVIL_CACHE_DIR", "here")
    assert location.user_store().root == tmp_path / "here"
