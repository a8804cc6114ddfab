"""Anvil's side: built by its own command, and verified in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from anvil.core.diagnostics import ExitCode
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class RefusedModelError(Exception):
    """Anvil does not take the model; the message says why."""


def verified(
    folder: Path,
    model: Path,
    name: str,
    target: str,
    *,
    candidate: str = "int8",
    own_files: Mapping[str, str] | None = None,
) -> Path:
    """The folder of a target that `anvil verify` has built from `model` and found equal.

    own_files: texts of further files of the project, by path in its folder.
    Raises SystemExit with what the command says where it does not pass.
    """
    folder.mkdir(parents=True)
    targets = f"{{{target}: {{candidates: [{candidate}]}}}}"
    lines = f"version: 1\nname: {name}\nmodel: {json.dumps(str(model))}\ntargets: {targets}\n"
    (folder / "anvil.yaml").write_text(lines, encoding="utf-8")
    for path, text in (own_files or {}).items():
        file = folder / path
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "anvil", "verify", "--quiet", "--project", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode == ExitCode.BAD_INPUT:
        raise RefusedModelError(ended.stderr.splitlines()[0])
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    return folder / "build" / target
