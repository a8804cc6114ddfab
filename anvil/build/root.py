"""The root file system as executors see it: its image, its places, and the tools in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.build.tools import ToolPaths
from anvil.core.action import DEBIAN_TOOL
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anvil.core.action import Action
    from anvil.core.image import Image

# Where an action finds itself in every root, whatever runs it: a path is part of what a
# program sees, and could enter what it writes.
INPUT = "/anvil/input"  # its files, read-only
OUTPUT = "/anvil/output"  # the one folder that outlives it
WORK = "/anvil/work"  # where it runs, in memory
TOOL_CACHE = "/anvil/cache"  # what compilers build for themselves, in memory
PREPARED = "/anvil/prepared"  # what is copied there first, read-only

# images/root.yaml puts them there.
TOOLS = ToolPaths(
    python="/usr/local/bin/python3",
    zig="/usr/local/bin/zig",
    cmake="/usr/local/bin/cmake",
    ninja="/usr/local/bin/ninja",
)
PATH = "/usr/local/bin:/usr/bin:/bin"
FAKETIME_PACKAGE = "libfaketime"
FAKETIME_PATH = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A root file system on this machine."""

    image: Image
    tar: Path
    unpacked: Callable[[], Path]  # its tree as a folder; raises AnvilError where the tar is damaged
    prepared: Path  # the folder of what its compilers built for themselves

    @property
    def faketime(self) -> str | None:
        """The path of libfaketime in it, or None."""
        found = self.image.version_of(f"{DEBIAN_TOOL}{FAKETIME_PACKAGE}")
        return None if found is None else FAKETIME_PATH


def check_root(action: Action, image: Image) -> None:
    """Refuse to run an action whose tools the root lacks, or has in other versions (exit 1)."""
    wrong = [
        Diagnostic(
            code="tool.missing" if found is None else "tool.version",
            message=(
                f"this build needs {name.removeprefix(DEBIAN_TOOL)} {version}, and the root file "
                f"system {image.sha256[:12]} has {found or 'none'}"
            ),
            hint="make the one of this version of Anvil with `anvil image build`, or name it in "
            "anvil.lock",
        )
        for name, version in action.tools
        if (found := image.version_of(name)) != version
    ]
    if wrong:
        raise AnvilError(*wrong, exit_code=ExitCode.FAILED)
