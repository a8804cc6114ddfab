"""The host executor: runs an action in a fresh folder of this machine.

Not hermetic: the network and the file system are in sight. What it does hold: only the
action's files lie in the folder, only its environment is set, only its outputs come back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.build.tools import check_programs, check_versions, find_tools
from anvil.cache.store import VanishedError
from anvil.core.action import ActionError
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.cache.store import Store
    from anvil.core.action import Action, Tree

_LAST_LINES = 30
_OVERFLOW_MARKS = ("overflowed by", "will not fit in region")
# What a program needs to start at all; nothing of it reaches an output.
_PASSED_ON = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
# Nothing of the user's is read, and a program that wants to write there is found out.
_NO_HOME = "/nonexistent"


def run_action(action: Action, store: Store, cancellation: process.Cancellation) -> Tree:
    """Run `action` and keep its outputs in the store.

    Raises AnvilError (exit 1) where a tool is missing, the command fails, its time runs out
    or an output is not there; the last lines of its output are in the message. Raises
    VanishedError where the store lacks an input.
    """
    check_versions(action.tools)
    tools = find_tools()
    check_programs(tools, (*action.argv, *(value for _, value in action.environment)))
    files = store.get_tree(action.inputs)
    if files is None:
        raise VanishedError
    with store.work_folder() as name:
        folder = Path(name)
        with store.explained():
            _materialise(files, action.inputs, folder)
        tokens = tools.as_tokens() | {
            "tool_cache": str(store.tool_cache),
            "work": str(folder),
        }
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        environment |= {"HOME": _NO_HOME, "TMPDIR": str(folder)}
        environment |= {key: _expand(value, tokens) for key, value in action.environment}
        try:
            completed = process.run(
                [_expand(word, tokens) for word in action.argv],
                cwd=folder,
                environment=environment,
                timeout_s=action.timeout_s,
                cancellation=cancellation,
            )
        except OSError as error:
            raise _failure(
                action, f"cannot start {action.argv[0]}: {error.strerror}", ""
            ) from error
        log = (completed.stdout + completed.stderr).decode(errors="replace")
        log = log.replace(str(folder), ".")
        if completed.timed_out:
            raise _failure(action, f"took longer than {action.timeout_s} s and was ended", log)
        if completed.returncode != 0:
            raise _failure(action, f"ended with exit code {completed.returncode}", log)
        return _collect(action, folder, store, log)


def _expand(word: str, tokens: Mapping[str, str]) -> str:
    for token, value in tokens.items():
        word = word.replace(f"{{{token}}}", value)
    return word


def _materialise(files: Mapping[str, bytes], tree: Tree, folder: Path) -> None:
    for node in tree.files:
        path = folder / node.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[node.path])
        # One fixed mode and time, whatever the caller's umask and clock: they could enter an
        # archive.
        path.chmod(0o755 if node.executable else 0o644)
        os.utime(path, times=(0, 0))


def _collect(action: Action, folder: Path, store: Store, log: str) -> Tree:
    contents: dict[str, bytes] = {}
    executables = set()
    for output in action.outputs:
        path = folder / output
        try:
            contents[output] = path.read_bytes()
        except OSError:
            raise _failure(action, f"did not produce {output}", log) from None
        if os.access(path, os.X_OK):
            executables.add(output)
    return store.put_tree(contents, frozenset(executables))


def _failure(action: Action, what: str, log: str) -> AnvilError:
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
        ),
        log,
    )
