"""The pinned tools of this Python environment, by the tokens that actions name them with."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTALL_HINT = "python3 -m pip install --require-hashes -r requirements/anvil.txt"
_EXE = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPaths:
    """Where the tokens `{python}`, `{zig}`, `{cmake}` and `{ninja}` lead on this host."""

    python: str
    zig: str
    cmake: str
    ninja: str

    def as_tokens(self) -> dict[str, str]:
        """Token without braces -> path."""
        return {
            "python": self.python,
            "zig": self.zig,
            "cmake": self.cmake,
            "ninja": self.ninja,
        }


def find_tools() -> ToolPaths:
    """The tools beside the running Python; whether they are there is `check_versions`' task."""
    scripts = Path(sys.executable).parent
    try:
        zig = Path(str(importlib.metadata.distribution("ziglang").locate_file("ziglang/zig")))
    except importlib.metadata.PackageNotFoundError:
        zig = Path("ziglang/zig")
    return ToolPaths(
        python=sys.executable,
        zig=f"{zig}{_EXE}",
        cmake=str(scripts / f"cmake{_EXE}"),
        ninja=str(scripts / f"ninja{_EXE}"),
    )


def installed_version(distribution: str) -> str | None:
    """The version of a Python distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_versions(tools: Iterable[tuple[str, str]]) -> None:
    """Refuse to run an action with other tools than its key names (exit 1)."""
    wrong = [
        Diagnostic(
            code="tool.missing" if found is None else "tool.version",
            message=(
                f"this build needs {name} {version}, found {'none' if found is None else found}"
            ),
            hint=INSTALL_HINT,
        )
        for name, version in tools
        if (found := installed_version(name)) != version
    ]
    if wrong:
        raise AnvilError(*wrong, exit_code=ExitCode.FAILED)
