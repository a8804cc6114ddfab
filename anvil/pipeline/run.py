"""Running built artifacts: the runner for each emulator, and anvil run's tensors in files."""

from __future__ import annotations

import importlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.package.measure import prediction_error
from anvil.pipeline.artifacts import read_built
from anvil.pipeline.events import Outcome, TargetOutcome
from anvil.verify.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from anvil.core.target import Target
    from anvil.pipeline.artifacts import BuiltTarget
    from anvil.process import Cancellation
    from anvil.verify.invocation import Port, RunResult

_RUNNERS = {
    "qemu-system-arm": "anvil.verify.qemu_system",
    "qemu-system-riscv32": "anvil.verify.qemu_system",
    "qemu-user": "anvil.verify.qemu_user",
    "node": "anvil.verify.node",
    "native": "anvil.verify.native",
}
_SERIAL_RUNNER = "anvil.verify.serial_board"
_TIMEOUT_S = 600.0
_NPY_MAGIC = b"\x93NUMPY"
_HEADER_ERRORS = (ValueError, EOFError, TypeError, SyntaxError, MemoryError, OverflowError)
_ZIP_MAGIC = b"PK\x03\x04"


def run_batches(
    built: BuiltTarget,
    target: Target,
    batches: Sequence[tuple[bytes, ...]],
    *,
    cancellation: Cancellation,
    count: bool = False,
    serial_port: str | None = None,
) -> RunResult:
    """Run several inferences on the target's emulator, natively, or on a board."""
    name = _RUNNERS[target.emulator.kind] if serial_port is None else _SERIAL_RUNNER
    runner = importlib.import_module(name)
    result: RunResult = runner.run(
        Invocation(
            name=built.name,
            target=target.name,
            folder=built.folder,
            emulator=target.emulator,
            inputs=built.inputs,
            outputs=built.outputs,
            batches=tuple(batches),
            count=count,
            timeout_s=_TIMEOUT_S,
            cancellation=cancellation,
            serial_port=serial_port,
            **({} if target.console is None else {"baud": target.console.baud}),
        )
    )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """anvil run's options."""

    inputs: tuple[str, ...]  # FILE, INDEX=FILE or NAME=FILE
    outputs: tuple[str, ...]
    stats: Path | None
    serial_port: str | None


def run_files(
    folder: Path, target: Target, request: RunRequest, cancellation: Cancellation
) -> Outcome:
    """Read .npy inputs, run, write .npy outputs and statistics.

    Raises AnvilError: exit 2 for wrong files, shapes or types, 1 where running fails.
    """
    import numpy as np

    if request.serial_port is not None and target.console is None:
        raise _wrong(
            f"{target.name} has no serial console, and --port {request.serial_port} is given",
            "leave --port out: this target is run here, on its emulator or natively",
        )
    built = read_built(folder, target.name)
    input_files = _assign(request.inputs, built.inputs, "input")
    output_files = _assign(request.outputs, built.outputs, "output")
    missing = [port.name for i, port in enumerate(built.inputs) if i not in input_files]
    if missing:
        raise _wrong(
            f"no file is given for input {', '.join(missing)}",
            "give --input once per input, in the model's order, or as NAME=FILE",
        )
    arrays = [
        _as_batches(_load(input_files[i]), port, input_files[i])
        for i, port in enumerate(built.inputs)
    ]
    counts = sorted({len(array) for array, _ in arrays})
    if len(counts) > 1:
        raise _wrong(
            f"the inputs hold {' and '.join(map(str, counts))} inferences",
            "every input holds the same number of inferences",
        )
    n_inferences = counts[0]
    result = run_batches(
        built,
        target,
        [tuple(array[n].tobytes() for array, _ in arrays) for n in range(n_inferences)],
        cancellation=cancellation,
        count=request.stats is not None,
        serial_port=request.serial_port,
    )
    form = arrays[0][1]
    for index, path in sorted(output_files.items()):
        port = built.outputs[index]
        raw = b"".join(row[index] for row in result.outputs)
        flat = np.frombuffer(raw, dtype=np.dtype(port.dtype).newbyteorder("<"))
        _save(path, flat.reshape(_output_shape(port, n_inferences, form)))
    stats = _stats(built, result)
    if request.stats is not None:
        _write_json(request.stats, stats)
    return Outcome(
        targets=(
            TargetOutcome(
                target=target.name,
                status="ran",
                exit_code=ExitCode.DONE,
                details={"inferences": n_inferences, "stats": stats},
                note=f"{n_inferences} inference{'s' if n_inferences > 1 else ''}",
            ),
        )
    )


def _stats(built: BuiltTarget, result: RunResult) -> dict[str, Any]:
    flash = built.measured["flash_bytes"]
    return {
        "instructions": result.instructions,
        "cycles": result.cycles,
        "stack_bytes": result.stack_bytes,
        "arena_bytes": built.plan["arena_bytes"],
        "code_bytes": flash["code"],
        "weight_bytes": flash["weights"],
        "error": {
            "instructions": prediction_error(built.plan["instructions"], result.instructions)
        },
    }


def _assign(words: Sequence[str], ports: Sequence[Port], role: str) -> dict[int, Path]:
    """Port index -> file, from FILE, INDEX=FILE and NAME=FILE.

    Plain files go to the ports that the others leave, in order. An index stands before a
    name, so that what works for one model works for every model.
    """
    chosen = [_choose(word, ports, role) for word in words]
    named = [index for index, _ in chosen if index is not None]
    rest = (index for index in itertools.count() if index not in named)
    files: dict[int, Path] = {}
    for index, path in ((next(rest) if i is None else i, p) for i, p in chosen):
        if index >= len(ports):
            raise _wrong(
                f"{role} {index} is given, and the model has {len(ports)}",
                f"give --{role} at most {len(ports)} times, counting from 0",
            )
        if index in files:
            raise _wrong(f"{role} {index} is given twice", "give each one once")
        if role == "output" and Path(path) in files.values():
            raise _wrong(f"{path} is given twice", "give each output a file of its own")
        files[index] = Path(path)
    return files


def _choose(word: str, ports: Sequence[Port], role: str) -> tuple[int | None, str]:
    """The port's index, None where the word does not say, and the file."""
    key, equals, rest = word.partition("=")
    if not equals:
        return None, word
    if key.isascii() and key.isdecimal():
        return int(key), rest
    # A name may hold = itself, and another name be its beginning.
    fitting = [index for index, port in enumerate(ports) if word.startswith(f"{port.name}=")]
    if fitting:
        longest = max(fitting, key=lambda index: len(ports[index].name))
        return longest, word[len(ports[longest].name) + 1 :]
    if os.sep in key or (role == "input" and Path(word).exists()):
        return None, word
    listed = ", ".join(f"{i} {port.name!r}" for i, port in enumerate(ports))
    raise _wrong(
        f"the model has no {role} {key!r}",
        f"its {role}s are {listed}; a file with = in its name is given as .{os.sep}{word}",
    )


def _load(path: Path) -> npt.NDArray[np.generic]:
    import tokenize

    import numpy as np

    def wrong(message: str) -> AnvilError:
        return _wrong(message, "write it with numpy.save(FILE, ARRAY)", file=path)

    try:
        with path.open("rb") as file:
            magic = file.read(len(_NPY_MAGIC))
            if magic.startswith(_ZIP_MAGIC):
                raise wrong("this is an .npz archive, and one array is expected")
            if magic != _NPY_MAGIC:
                raise wrong("this is not a .npy file")
            file.seek(0)
            # No pickles: an array of objects could run code.
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise _wrong(f"there is no file {path}", "give a .npy file", file=path) from None
    except OSError as error:
        raise _wrong(
            f"cannot read it: {error.strerror or error}", "give a .npy file", file=path
        ) from None
    # NumPy takes the header for Python's words, and lets through what these make of a bad one.
    except (*_HEADER_ERRORS, tokenize.TokenError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise wrong(f"this .npy file is damaged or no plain array: {reason}") from None


def _as_batches(
    array: npt.NDArray[np.generic], port: Port, path: Path
) -> tuple[npt.NDArray[np.generic], str]:
    """The array with a leading axis of inferences, and the form that it had.

    Forms: `one` (the model's shape), `stacked` (one more leading axis), `batched` (the
    model's batch of 1 replaced by the number of inferences).
    """
    import numpy as np

    if array.dtype.newbyteorder("=") != np.dtype(port.dtype):
        raise _wrong(
            f"input {port.name} has dtype {array.dtype}, and the model takes {port.dtype}",
            _conversion(port),
            file=path,
        )
    # Not ascontiguousarray, which gives a scalar an axis.
    array = np.asarray(array, dtype=np.dtype(port.dtype).newbyteorder("<"), order="C")
    shape = tuple(array.shape)
    if shape == port.shape:
        return array.reshape((1, *port.shape)), "one"
    if shape[1:] == port.shape and shape[0] > 0:
        return array, "stacked"
    if port.shape[:1] == (1,) and shape[1:] == port.shape[1:] and shape[:1] > (0,):
        return array.reshape((shape[0], *port.shape)), "batched"
    raise _wrong(
        f"input {port.name} has shape {shape}, and the model takes {port.shape}",
        f"several inferences are N x {port.shape}"
        + (f" or N x {port.shape[1:]}" if port.shape[:1] == (1,) else ""),
        file=path,
    )


def _conversion(port: Port) -> str:
    """How an array becomes what the input takes."""
    import numpy as np

    if port.scale is None or port.zero_point is None or port.dtype.startswith("float"):
        return f"convert it with .astype({port.dtype!r})"
    limits = np.iinfo(port.dtype)
    return (
        f"real values X become numpy.clip(numpy.round(X / {port.scale!r}) + {port.zero_point}, "
        f"{limits.min}, {limits.max}).astype({port.dtype!r})"
    ).replace("+ -", "- ")


def _output_shape(port: Port, n_inferences: int, form: str) -> tuple[int, ...]:
    if form == "one":
        return port.shape
    if form == "batched" and port.shape[:1] == (1,):
        return (n_inferences, *port.shape[1:])
    return (n_inferences, *port.shape)


def _save(path: Path, array: npt.NDArray[np.generic]) -> None:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    _write(path, buffer.getvalue())


def _write_json(path: Path, document: dict[str, Any]) -> None:
    import json

    _write(path, (json.dumps(document, indent=2) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise AnvilError(
            Diagnostic(
                code="output.unwritable",
                message=f"cannot write {path}: {error.strerror or error}",
                file=str(path),
                hint="name another file",
            ),
            exit_code=ExitCode.FAILED,
        ) from error


def _wrong(message: str, hint: str, file: Path | None = None) -> AnvilError:
    return AnvilError(
        Diagnostic(
            code="run.input",
            message=message,
            hint=hint,
            file=None if file is None else str(file),
        )
    )
