"""The models of keras_models.py, written once for all tests that take them."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.programs import MISSING, ROOT

_PACKAGES = ("tensorflow", "tf_keras")


def keras_file(name: str) -> Path:
    """A model's path; without TensorFlow the test is left out, counted."""
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{MISSING}{package} (python3 bootstrap.py --tensorflow)")
    return Path(_folder().name) / name


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="anvil-keras-")
    completed = subprocess.run(
        [sys.executable, str(ROOT / "tests/support/keras_models.py"), folder.name],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr.decode(errors="replace")
    return folder
