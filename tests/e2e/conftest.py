"""Built projects that several tests look at, made once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anvil.cache.store import Store
from anvil.core.diagnostics import AnvilError
from tests.support.cli import anvil
from tests.support.made_images import is_out_of_reach, make
from tests.support.programs import MISSING, ROOT, require_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.chrome.webdriver import WebDriver

    from anvil.core.image import Image

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,1000",
)


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
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Image]:
    """A small image, and the store that it is in."""
    require_program("mmdebstrap")
    store = Store(root=tmp_path_factory.mktemp("image") / "cache")
    try:
        return store, make(store)
    except AnvilError as error:
        if is_out_of_reach(error):
            pytest.skip(f"{MISSING}a mirror of Debian")
        raise


@pytest.fixture(scope="session")
def built_browser(built_example: Path) -> Path:
    """Its page."""
    return built_example / "browser"


@pytest.fixture
def mounted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, since root ignores permission bits; given by mount options."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    options = request.param
    # A mount namespace would hide it from anvil; so this needs root on the machine itself.
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("missing: the right to mount a small file system (root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A headless Chromium, with what its console gets; the test is left out without one."""
    # Most end-to-end tests need no browser.
    from selenium import webdriver  # noqa: PLC0415
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    chromium = require_program("chromium")
    service = Service(str(require_program("chromedriver")))
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # selenium gives Chromium these by their names, and asks nobody for a driver.
    chrome = webdriver.Chrome(options=options, service=service)
    try:
        yield chrome
    finally:
        chrome.quit()
        service.stop()
