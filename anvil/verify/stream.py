"""What the runners of programs share: all inputs on standard input, all outputs back."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anvil import process
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.verify.invocation import RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.verify.invocation import Invocation

_LAST_LINES = 10
# What an interpreter needs to start; nothing of it changes what a model computes.
_PASSED_ON = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")


def missing_tool(invocation: Invocation, message: str, hint: str) -> AnvilError:
    """This machine cannot run the artifact (exit 1, `run.missing-tool`)."""
    return AnvilError(
        Diagnostic(
            code="run.missing-tool",
            message=f"{invocation.target}: {message}",
            path=f"targets.{invocation.target}",
            hint=hint,
        ),
        exit_code=ExitCode.FAILED,
    )


def find_program(*names: str) -> str | None:
    """The path of the first of `names` on the PATH, or else beside the running Python.

    There pip puts programs that it installs, whether or not its environment is activated.
    """
    folders = (None, str(Path(sys.executable).parent))
    found = (shutil.which(name, path=folder) for folder in folders for name in names)
    return next((path for path in found if path), None)


def built_file(invocation: Invocation, file_name: str) -> Path:
    """An artifact that must be there; AnvilError, exit 1, where it is not."""
    path = invocation.folder / file_name
    if not path.is_file():
        raise AnvilError(
            Diagnostic(
                code="run.not-built",
                message=f"{invocation.target}: {path} is not there",
                file=str(path),
                hint=f"build it first: anvil build --target {invocation.target}",
            ),
            exit_code=ExitCode.FAILED,
        )
    return path


def run_stream(invocation: Invocation, argv: Sequence[str]) -> RunResult:
    """Feed every inference to one run of `argv` and cut its answer into output tensors.

    AnvilError, exit 1: as of `answer_of`, and `run.wrong-size`.
    """
    inputs = b"".join(data for batch in invocation.batches for data in batch)
    outputs = _cut(invocation, answer_of(invocation, argv, inputs))
    return RunResult(outputs=outputs, instructions=None, cycles=None, stack_bytes=None)


def answer_of(invocation: Invocation, argv: Sequence[str], stdin: bytes) -> bytes:
    """What one run of `argv` writes to its standard output.

    AnvilError, exit 1: `run.cannot-start`, `run.timeout` and `run.failed` (with the last lines
    of its standard error).
    """
    try:
        completed = process.run(
            argv,
            cwd=invocation.folder,
            environment={key: os.environ[key] for key in _PASSED_ON if key in os.environ},
            stdin=stdin,
            timeout_s=invocation.timeout_s,
            cancellation=invocation.cancellation,
        )
    except OSError as error:
        raise failure(
            invocation, "cannot-start", f"cannot start {argv[0]}: {error.strerror}"
        ) from error
    said = _last_lines(completed.stderr)
    if completed.timed_out:
        raise failure(
            invocation,
            "timeout",
            f"no answer to {len(invocation.batches)} inferences within "
            f"{invocation.timeout_s:g} s{said}",
        )
    if completed.returncode < 0:
        raise failure(invocation, "failed", f"ended by signal {-completed.returncode}{said}")
    if completed.returncode != 0:
        raise failure(invocation, "failed", f"ended with exit code {completed.returncode}{said}")
    return completed.stdout


def _cut(invocation: Invocation, answer: bytes) -> tuple[tuple[bytes, ...], ...]:
    sizes = [port.n_bytes for port in invocation.outputs]
    expected = sum(sizes) * len(invocation.batches)
    if len(answer) != expected:
        raise failure(
            invocation,
            "wrong-size",
            f"{len(invocation.batches)} inferences give {expected} bytes of output, "
            f"found {len(answer)}",
        )
    outputs = []
    offset = 0
    for _ in invocation.batches:
        tensors = []
        for size in sizes:
            tensors.append(answer[offset : offset + size])
            offset += size
        outputs.append(tuple(tensors))
    return tuple(outputs)


def _last_lines(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
    return ":\n" + "\n".join(lines) if lines else ""


def failure(invocation: Invocation, code: str, message: str) -> AnvilError:
    """The artifact did not do as it must (exit 1, `run.CODE`)."""
    return AnvilError(
        Diagnostic(code=f"run.{code}", message=f"{invocation.target}: {message}"),
        exit_code=ExitCode.FAILED,
    )
