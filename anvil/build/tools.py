"""The pinned tools of this Python environment, by the tokens that actions name them with."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.core.action import DEBIAN_TOOL
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anvil.core.action import Action

INSTALL_HINT = "python3 -m pip install --require-hashes -r requirements/anvil.txt"
# What most builds do without.
_TENSORFLOW_HINT = (
    'python3 bootstrap.py --tensorflow, or python3 -m pip install "anvil-build[tensorflow]"'
)
_OPTIONAL = {"tensorflow": _TENSORFLOW_HINT, "tf_keras": _TENSORFLOW_HINT}
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


@functools.cache
def find_tools() -> ToolPaths:
    """The tools of the running Python's distributions, by their own lists of files."""
    return ToolPaths(
        python=sys.executable,
        zig=_program("ziglang", "zig"),
        cmake=_program("cmake", "cmake"),
        ninja=_program("ninja", "ninja"),
    )


def _program(distribution: str, name: str) -> str:
    """A program that a distribution installed, wherever its scripts went; never another's."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    file_name = f"{name}{_EXE}"
    paths = [Path(str(file.locate())) for file in files if file.name == file_name]
    programs = [path for path in paths if path.is_file() and os.access(path, os.X_OK)]
    # A program inside its package starts faster than the script that calls it.
    programs.sort(key=lambda path: (".." in path.parts, path))
    return str(programs[0].resolve()) if programs else file_name


def check_programs(tools: ToolPaths, words: Iterable[str]) -> None:
    """Refuse to run words with a token, such as `{ninja}`, whose program is not installed."""
    text = "\n".join(words)
    missing = [
        Diagnostic(
            code="tool.missing", message=f"this build needs {name}, found none", hint=INSTALL_HINT
        )
        for name, path in tools.as_tokens().items()
        if f"{{{name}}}" in text and not Path(path).is_absolute()
    ]
    if missing:
        raise AnvilError(*missing, exit_code=ExitCode.FAILED)


def installed_version(distribution: str) -> str | None:
    """The version of a Python distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_versions(tools: Iterable[tuple[str, str]]) -> None:
    """Refuse to run an action with other tools than its key names (exit 1)."""
    rows = list(tools)
    packages = [
        f"{name.removeprefix(DEBIAN_TOOL)} {version}"
        for name, version in rows
        if name.startswith(DEBIAN_TOOL)
    ]
    # This machine's own packages are never taken: they float with its updates.
    wrong = [
        Diagnostic(
            code="tool.image-only",
            message=(
                "this build's compiler is only in the root file system, and the executor host "
                f"does not use that: Debian's {', '.join(packages)}"
            ),
            hint="choose --executor docker or --executor sandbox (`anvil image build` makes the "
            "root file system), or the toolchain zig",
        )
    ] * bool(packages)
    wrong += [
        Diagnostic(
            code="tool.missing" if found is None else "tool.version",
            message=(
                f"this build needs {name} {version}, found {'none' if found is None else found}"
            ),
            hint=_OPTIONAL.get(name, INSTALL_HINT),
        )
        for name, version in rows
        if not name.startswith(DEBIAN_TOOL) and (found := installed_version(name)) != version
    ]
    if wrong:
        raise AnvilError(*wrong, exit_code=ExitCode.FAILED)


def check_host(action: Action) -> None:
    """Refuse to run an action whose tools are not here as its key names them (exit 1)."""
    check_versions(action.tools)
    check_programs(find_tools(), (*action.argv, *(value for _, value in action.environment)))
