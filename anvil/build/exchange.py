"""An action's files on their way into a folder, and its outputs on their way back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anvil.cache.store import VanishedError
from anvil.core.action import ActionError
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree

_LAST_LINES = 30
_LOG_BYTES = 16 * 1024**2
# Through no link, and without waiting: opening a pipe would never end.
_CAREFULLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_OVERFLOW_MARKS = ("overflowed by", "will not fit in region")


def materialise(store: Store, tree: Tree, folder: Path) -> None:
    """Write the files of `tree` into `folder`. Raises VanishedError where the store lacks one."""
    files = store.get_tree(tree)
    if files is None:
        raise VanishedError
    with store.explained():
        for node in tree.files:
            path = folder / node.path
            make_folders(folder, path.parent)
            path.write_bytes(files[node.path])
            # One fixed mode and time, whatever the caller's umask and clock: they could enter
            # an archive.
            path.chmod(0o755 if node.executable else 0o644)
            os.utime(path, times=(0, 0))


def make_folders(top: Path, folder: Path) -> None:
    """Make `folder`, which is `top` or below, with all in between; any user may look into them."""
    for part in reversed((folder, *folder.parents)):
        if part.is_relative_to(top) and not part.is_dir():
            part.mkdir()
            part.chmod(0o755)


def collect(action: Action, places: Mapping[str, Path], store: Store, log: str) -> Tree:
    """Keep the outputs of `action` in the store.

    places: where each output lies now. Raises AnvilError (exit 1) where one is not there, or is
    anything but a regular file: what an action made is not to lead out of its folder.
    """
    contents: dict[str, bytes] = {}
    executables = set()
    for output in action.outputs:
        try:
            contents[output], is_executable = _read_regular(places[output])
        except OSError:
            raise failure(action, f"did not produce {output}", log) from None
        if is_executable:
            executables.add(output)
    return store.put_tree(contents, frozenset(executables))


def _read_regular(path: Path) -> tuple[bytes, bool]:
    handle = os.open(path, os.O_RDONLY | _CAREFULLY)
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(path)
        return file.read(), bool(mode & 0o111)


def read_log(path: Path) -> str:
    """The end of what an action said into the file at `path`; empty where that is no file."""
    try:
        handle = os.open(path, os.O_RDONLY | _CAREFULLY)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                return ""
            file.seek(max(0, status.st_size - _LOG_BYTES))
            return file.read(_LOG_BYTES).decode(errors="replace")
    except OSError:
        return ""


def expand(word: str, tokens: Mapping[str, str]) -> str:
    """`word` with each `{token}` replaced by its value."""
    for token, value in tokens.items():
        word = word.replace(f"{{{token}}}", value)
    return word


def failure(action: Action, what: str, log: str, *, hint: str | None = None) -> AnvilError:
    """The error of an action that ended badly, with its last lines.

    A program that the linker found too large for its device is one of exit code 3.
    """
    lines = log.strip().splitlines()
    overflow = next((line for line in lines if any(mark in line for mark in _OVERFLOW_MARKS)), None)
    if overflow is not None:
        return AnvilError(
            Diagnostic(
                code="fit.link",
                message=f"the program does not fit the device's memory: {overflow.strip()}",
                hint="choose a target with more memory, or a smaller model",
            ),
            exit_code=ExitCode.DOES_NOT_FIT,
        )
    shown = "\n".join(lines[-_LAST_LINES:])
    return ActionError(
        Diagnostic(
            code=f"{action.kind}.failed",
            message=f"the {action.kind} action {what}" + (f":\n{shown}" if shown else ""),
            hint=hint,
        ),
        log,
    )
