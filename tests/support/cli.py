"""The `anvil` command as a user runs it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.programs import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    def document(self) -> dict[str, Any]:
        """What `--json` printed: all of stdout."""
        document: dict[str, Any] = json.loads(self.stdout)
        assert document["exit_code"] == self.returncode
        assert document["ok"] == (self.returncode == 0)
        return document

    def statuses(self) -> dict[str, str]:
        """Target -> status of a `--json` document."""
        return {row["target"]: row["status"] for row in self.document()["targets"]}


def command(*words: object) -> list[str]:
    """The argv of an anvil command."""
    return [sys.executable, "-m", "anvil", *map(str, words)]


def anvil(*words: object, cwd: Path = ROOT, **environment: str) -> Ended:
    """Run a command to its end; it never shows a traceback."""
    ended = subprocess.run(
        command(*words),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "defect of Anvil" not in ended.stderr + ended.stdout, ended.stderr + ended.stdout
    return Ended(returncode=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)


def write_project(
    folder: Path, model: Path | str, *, name: str = "model", targets: str = ""
) -> Path:
    """A project folder with an anvil.yaml for `model`; all four targets unless told."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = targets or "{nrf52840: {}, rpi4: {}, browser: {}, linux-x86_64: {}}"
    (folder / "anvil.yaml").write_text(
        f"version: 1\nname: {name}\nmodel: {json.dumps(str(model))}\ntargets: {listed}\n"
    )
    return folder


def forget_costs(project: Path, target_core: str) -> None:
    """Give the project a cost table of another compiler: nothing is predicted with it."""
    folder = project / "targets" / "costs"
    folder.mkdir(parents=True)
    text = "fitted: {package: other, version: '1', flags: none}\n"
    (folder / f"{target_core}.zig.yaml").write_text(text)
