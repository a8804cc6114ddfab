"""Expected files: compared byte for byte, written anew by `nox -s golden`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import pytest

from tests.support.programs import ROOT

_MOST_LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Checks results against files under tests/golden, or any other folder of tests/."""

    update: bool

    def check(self, name: str, content: bytes | str, *, folder: str = "golden") -> None:
        """Fail with a diff where `content` is not what tests/FOLDER/NAME holds."""
        found = content.encode() if isinstance(content, str) else content
        path = ROOT / "tests" / folder / name
        expected = path.read_bytes() if path.is_file() else None
        if found == expected:
            return
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found)
            return
        shown = path.relative_to(ROOT)
        if expected is None:
            pytest.fail(f"{shown} does not exist; `nox -s golden` writes it")
        lines = list(
            difflib.unified_diff(
                expected.decode(errors="replace").splitlines(),
                found.decode(errors="replace").splitlines(),
                f"{shown} (expected)",
                "found",
                lineterm="",
            )
        )
        hint = "where the change is meant, `nox -s golden` writes it anew"
        pytest.fail("\n".join([*lines[:_MOST_LINES], hint]))
