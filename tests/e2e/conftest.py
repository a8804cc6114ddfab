"""Built projects that several tests look at, made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cli import anvil
from tests.support.programs import ROOT


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all end-to-end tests; the user's own is left alone."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ANVIL_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def built_example(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Path:
    """The repository's example, built for all four targets."""
    del cache_folder
    out = tmp_path_factory.mktemp("example")
    built = anvil("build", "--project", ROOT, "--out", out)
    assert built.returncode == 0, built.stderr
    return out


@pytest.fixture(scope="session")
def built_browser(built_example: Path) -> Path:
    """Its page."""
    return built_example / "browser"
