"""A program of its own: applies a user's metric function to a model's outputs.

    python metric_worker.py MODULE FUNCTION N_OUTPUTS

Beside it lie `project/`, where MODULE is found, `intervals.py`, `output_0.npy` and so on,
and `labels.npy` where there are labels. FUNCTION is called as function(outputs, labels):
`outputs` an array of N x the output's shape, a list of them where the model has several,
`labels` an array or None. It leaves `returned.npy`, what the function returned, and
`interval.json`: where that is one number, the ends of its bootstrap interval, else null.

What goes wrong in the user's code is the last line on stderr, as JSON: `{"message", "hint",
"file", "line"}`, the file relative to `project/`; the exit code is 1.

It imports nothing of Anvil: its source is an input of the action that runs it.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROJECT = Path("project")
_CALLED = (
    "it is called as function(outputs, labels), in a process that sees the module, the "
    "project's modules that it imports, and no other file of the project"
)


def main(argv: Sequence[str]) -> int:
    """Exit code 0 when both files were written."""
    # Imported here, as everything that the user's module could shadow.
    import numpy as np  # noqa: PLC0415

    module_name, function_name, n_outputs = argv
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path.cwd()))
    intervals = importlib.import_module("intervals")
    sys.path[0] = str(PROJECT.absolute())
    function = _function(module_name, function_name)
    name = f"{module_name}:{function_name}"

    outputs = [np.load(f"output_{index}.npy") for index in range(int(n_outputs))]
    labels = np.load("labels.npy") if Path("labels.npy").exists() else None

    def call(chosen: Any) -> Any:  # noqa: ANN401  indices, and whatever the function returns
        # Copies: the function may change what it gets.
        taken = [np.copy(array) if chosen is None else array[chosen] for array in outputs]
        truth = None if labels is None else np.copy(labels) if chosen is None else labels[chosen]
        return function(taken[0] if len(taken) == 1 else taken, truth)

    try:
        returned = call(None)
    except BaseException as error:  # noqa: BLE001  sys.exit() in a user's code ends here, too
        _fail_by(error, f"{name} raised")
    try:
        values = np.asarray(returned)
    except ValueError:
        values = np.asarray(None)
    if values.dtype.kind not in "iufb":
        _fail(
            f"{name} returned {_described(returned)}",
            "return a number, or an array with one number per sample",
            *_place(function),
        )
    interval = None
    if values.ndim == 0 and np.isfinite(values):

        def again(chosen: Any) -> float | None:  # noqa: ANN401  an array of indices
            try:
                value = float(call(chosen))
            except Exception:  # noqa: BLE001  such as for samples of one class
                return None
            return value if math.isfinite(value) else None

        interval = intervals.resampled(again, len(outputs[0]))
    np.save("returned.npy", values)
    Path("interval.json").write_text(json.dumps(interval), encoding="utf-8")
    return 0


def _function(module_name: str, function_name: str) -> Callable[[Any, Any], Any]:
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # noqa: BLE001  a module may do anything when imported
        _fail_by(error, f"importing {module_name} raised")
    function = getattr(module, function_name, None)
    if not callable(function):
        names = sorted(
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_")
        )
        what = (
            f"has no function {function_name!r}"
            if function is None
            else (f"has {function_name!r}, and it is no function")
        )
        _fail(
            f"{module_name} {what}; its functions: {', '.join(names) or 'none'}",
            "data.metric in anvil.yaml names module:function",
            _shown(getattr(module, "__file__", None)),
        )
    found: Callable[[Any, Any], Any] = function
    return found


def _described(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _shown(path: str | None) -> str | None:
    """A path relative to `project/`; None for a file elsewhere."""
    if path is None or not Path(path).is_relative_to(PROJECT.absolute()):
        return None
    return Path(path).relative_to(PROJECT.absolute()).as_posix()


def _place(function: object) -> tuple[str | None, int | None]:
    """Where a function of the user's is defined; (None, None) for one of another's."""
    code = getattr(function, "__code__", None)
    if code is None or _shown(code.co_filename) is None:
        return None, None
    return _shown(code.co_filename), code.co_firstlineno


def _fail_by(error: BaseException, what: str) -> NoReturn:
    """Say where in the user's own files it happened, the innermost place."""
    file, line = None, None
    for frame in traceback.extract_tb(error.__traceback__):
        if _shown(frame.filename) is not None:
            file, line = _shown(frame.filename), frame.lineno
    hint = _CALLED
    if isinstance(error, SyntaxError) and _shown(error.filename) is not None:
        file, line = _shown(error.filename), error.lineno
    if isinstance(error, ImportError):
        hint = (
            "packages are those of the Python that runs Anvil; of the project's own modules "
            "those are there that import statements name"
        )
    traceback.print_exception(error)
    reason = " ".join(str(error).split())[:300]
    _fail(f"{what} {type(error).__name__}" + (f": {reason}" if reason else ""), hint, file, line)


def _fail(message: str, hint: str, file: str | None = None, line: int | None = None) -> NoReturn:
    found = {"message": message, "hint": hint, "file": file, "line": line}
    print(json.dumps(found), file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
