"""The executors under test, each with a store of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from anvil.build.docker import DockerExecutor
from anvil.build.host import HostExecutor
from anvil.build.sandbox import SandboxExecutor, check_sandbox
from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from anvil.process import Cancellation
from tests.support.engine import require_engine
from tests.support.programs import MISSING
from tests.support.roots import require_root

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.executor import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An executor with what it was made with."""

    executor: Executor
    store: Store
    cancellation: Cancellation

    @property
    def is_hermetic(self) -> bool:
        """Whether it keeps the machine out of sight, which the host cannot."""
        return self.executor.name != "host"


def _host(store: Store, cancellation: Cancellation) -> Executor:
    return HostExecutor(store=store, cancellation=cancellation)


def _sandbox(store: Store, cancellation: Cancellation) -> Executor:
    try:
        check_sandbox()
    except AnvilError as error:
        pytest.skip(f"{MISSING}a sandbox ({error.diagnostics[0].message})")
    return SandboxExecutor(store=store, cancellation=cancellation, root=require_root())


def _docker(store: Store, cancellation: Cancellation) -> Executor:
    require_engine()
    return DockerExecutor(store=store, cancellation=cancellation, root=require_root())


PLACES = {"host": _host, "sandbox": _sandbox, "docker": _docker}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every executor in turn."""
    return place_of(request.param, tmp_path)


def place_of(name: str, folder: Path) -> Place:
    """One executor, or a skip that is counted."""
    store, cancellation = Store(root=folder / "cache"), Cancellation()
    executor = PLACES[name](store, cancellation)
    assert executor.name == name
    return Place(executor=executor, store=store, cancellation=cancellation)
