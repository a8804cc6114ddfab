"""Actions: one command with all its inputs, by digest, after the Remote Execution API.

An action's key says everything that its result depends on. A host path, a clock, a user
or a position in a YAML file never enters it: tools are named by tokens such as
`{zig}`, which the executor replaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.core.digest import Digest, key_of

# Raise it when the meaning of an action changes without any of its fields changing.
ACTION_FORMAT = 1

# Begins the name of a tool that is a Debian package of the root file system, such as
# debian:gcc-arm-none-eabi; a name without it is a Python distribution's.
DEBIAN_TOOL = "debian:"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FileNode:
    """A file of a tree."""

    path: str  # relative, with forward slashes, no `.` or `..`
    digest: Digest
    executable: bool = False

    def __post_init__(self) -> None:
        parts = self.path.split("/")
        if "\\" in self.path or any(part in {"", ".", ".."} for part in parts):
            msg = f"a tree holds plain relative paths, found {self.path!r}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder by content: files sorted by path, each path once."""

    files: tuple[FileNode, ...]

    def __post_init__(self) -> None:
        paths = [node.path for node in self.files]
        if paths != sorted(set(paths)):
            msg = "the files of a tree are sorted by path, each path once"
            raise ValueError(msg)

    def as_json(self) -> list[list[Any]]:
        """The canonical form: [path, sha256, size, executable] per file."""
        return [
            [node.path, node.digest.sha256, node.digest.size_bytes, node.executable]
            for node in self.files
        ]

    @classmethod
    def from_json(cls, rows: list[list[Any]]) -> Tree:
        """The tree of a canonical form; ValueError or TypeError where it is none."""
        return cls(
            files=tuple(
                FileNode(
                    path=str(path),
                    digest=Digest(sha256=str(sha256), size_bytes=int(size)),
                    executable=bool(executable),
                )
                for path, sha256, size, executable in rows
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One command: its words, environment, inputs, tools and the outputs it must leave."""

    kind: str  # what it does, for people: compile, reference
    argv: tuple[str, ...]  # `{python}`, `{zig}` and the like stand for pinned tools
    environment: tuple[tuple[str, str], ...]  # sorted; nothing else is visible
    inputs: Tree
    tools: tuple[tuple[str, str], ...]  # name and version of each pinned tool; sorted
    outputs: tuple[str, ...]  # paths of files that it must produce, sorted
    timeout_s: int
    # Commands, run beside a start.c, that make compilers build for themselves what every action
    # with these tools needs. It spares isolated runs time and changes no output.
    warm_up: tuple[tuple[str, ...], ...] = ()

    @property
    def key(self) -> str:
        """The action's identity: SHA-256 of its canonical form."""
        return key_of(
            {
                "format": ACTION_FORMAT,
                "kind": self.kind,
                "argv": self.argv,
                "environment": self.environment,
                "inputs": self.inputs.as_json(),
                "tools": self.tools,
                "outputs": self.outputs,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one rendered project becomes artifacts."""

    action: Action
    artifacts: tuple[tuple[str, str], ...]  # (output of the action, path under build/<target>/)


class ActionError(AnvilError):
    """An action that ran and failed (exit 1); `log` is all that it printed."""

    def __init__(self, diagnostic: Diagnostic, log: str) -> None:
        super().__init__(diagnostic, exit_code=ExitCode.FAILED)
        self.log = log
