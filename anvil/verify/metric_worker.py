"""A program of its own: applies a user's metric function to a model's outputs.

    python metric_worker.py MODULE FUNCTION N_OUTPUTS

Beside it lie `project/`, where MODULE is found, `intervals.py`, `output_0.npy` and so on,
and `labels.npy` where there are labels. FUNCTION is called as function(outputs, labels):
`outputs` an array of N x the output's shape, a list of them where the model has several,
`labels` an array or None. It leaves `returned.npy`, what the function returned, and
`interval.json`: where that is one number, the ends of its bootstrap interval, else null.

What goes wrong in the user's code is the last line on stderr, as JSON: `{"message", "file",
"line"}`, the file relative to `project/`; the exit code is 1.

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
        _fail(f"{name} returned {_described(returned)}, not a number or one per sample")
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
        listed = ", ".join(names) or "none"
        what = "no function" if function is None else "something else than a function called"
        _fail(
            f"{module_name} has {what} {function_name!r}; its functions: {listed}",
            file=f"{module_name.replace('.', '/')}.py",
        )
    found: Callable[[Any, Any], Any] = function
    return found


def _described(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _fail_by(error: BaseException, what: str) -> NoReturn:
    """Say where in the user's own files it happened, the innermost place."""
    root = str(PROJECT.absolute())
    file, line = None, None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(root):
            file, line = frame.filename, frame.lineno
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(root):
        file, line = error.filename, error.lineno
    shown = None if file is None else Path(file).relative_to(root).as_posix()
    traceback.print_exception(error)
    reason = " ".join(str(error).split())[:300]
    _fail(f"{what} {type(error).__name__}" + (f": {reason}" if reason else ""), shown, line)


def _fail(message: str, file: str | None = None, line: int | None = None) -> NoReturn:
    print(json.dumps({"message": message, "file": file, "line": line}), file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
