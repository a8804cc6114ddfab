"""The hand-written library's firmware, built once for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support import echo_firmware

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A finished build."""

    target: Target
    folder: Path  # as build/<target>
    cache: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    target = echo_firmware.nrf52840()
    folder = tmp_path_factory.mktemp("firmware")
    cache = tmp_path_factory.mktemp("cache")
    echo_firmware.build(target, cache, folder)
    return Built(target=target, folder=folder, cache=cache)
