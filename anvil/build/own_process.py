"""A program of Anvil's own in a process of its own, under conditions of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from anvil import process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What Python and an engine need to be found; nothing else of the caller's is handed on, least of
# all a key.
_PASSED_ON = (
    "PATH",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "XDG_RUNTIME_DIR",
)
# How long it may take to end by itself, its own children and containers first.
_GRACE_S = 30.0


def run_module(
    module: str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes,
    umask: int,
    timeout_s: float,
    cancellation: process.Cancellation,
) -> process.Completed:
    """Run `python -m module` in `folder`, with `environment` over the little that is passed on.

    Raises KeyboardInterrupt when cancelled, after the program had time to tidy up.
    """
    passed = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    return process.run(
        [sys.executable, "-m", module],
        cwd=folder,
        environment={**passed, **environment},
        stdin=stdin,
        timeout_s=timeout_s,
        cancellation=cancellation,
        umask=umask,
        grace_s=_GRACE_S,
    )
