"""What a test may find missing: it is then left out, and the summary says so by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system_packages import PACKAGES, find

ROOT = Path(__file__).resolve().parents[2]
SHARED_MODELS = ROOT.parent / "shared" / "models"

# conftest.py counts the skips whose reason starts like this.
MISSING = "missing: "


def require_program(name: str) -> Path:
    """The path of a program of tests/system_packages.py, or a skip that is counted by name."""
    path = find(name)
    if path is None:
        pytest.skip(f"{MISSING}{name} (Debian package {PACKAGES[name]})")
    return path


def require_shared_model(file: str) -> Path:
    """The path of a file of ../shared/models, or a skip that is counted."""
    path = SHARED_MODELS / file
    if not path.exists():
        pytest.skip(f"{MISSING}../shared/models")
    return path
