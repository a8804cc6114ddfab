"""A program of its own: runs a .tflite model with LiteRT's reference kernels.

    python litert_worker.py [--layers] MODEL INPUTS OUTPUTS

INPUTS holds the input tensors of every inference, raw and little-endian, in the model's
order, inferences back to back. OUTPUTS becomes one line of JSON,
`{"format": 1, "n_inferences": N, "tensors": [{"index", "op", "name", "shape", "dtype",
"n_bytes"}, ...]}`, and then, for each inference, the bytes of those tensors. They are the
model's outputs in its order; with `--layers`, every tensor that an operator writes, in
execution order, `op` being the operator's index in the file (null without `--layers`).

Each inference starts from a reset state and runs on one thread. LiteRT can crash on a
damaged model, so that a second process does the work, and this one says what became of
it: its last line on stderr is the reason and its exit code 1. What LiteRT itself prints is
shown only then.

It imports nothing of Anvil: its source is an input of the action that runs it, so that a
changed worker is a changed action.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1


class InputError(ValueError):
    """The inputs do not fit the model."""


def main(argv: Sequence[str]) -> int:
    """Exit code 0 when OUTPUTS was written."""
    parser = argparse.ArgumentParser(prog="litert_worker")
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("outputs", type=Path)
    options = parser.parse_args(argv)
    if not options.child:
        return _supervise(argv)
    _forbid_core_dump()
    try:
        content = run(
            options.model.read_bytes(), options.inputs.read_bytes(), layers=options.layers
        )
        options.outputs.write_bytes(content)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
        print(f"LiteRT refuses the model: {reason or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def run(model: bytes, inputs: bytes, *, layers: bool) -> bytes:
    """Every inference that `inputs` holds; the content of OUTPUTS.

    Raises ValueError or RuntimeError where LiteRT refuses the model, and InputError where
    `inputs` is not a whole number of inferences.
    """
    # Imported here: the supervising process does without.
    import numpy as np  # noqa: PLC0415
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415

    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        # Otherwise intermediate tensors share memory and are overwritten.
        experimental_preserve_all_tensors=layers,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    ports = interpreter.get_input_details()
    sizes = [
        int(np.prod(port["shape"], dtype=np.int64)) * np.dtype(port["dtype"]).itemsize
        for port in ports
    ]
    if sum(sizes) == 0 or len(inputs) == 0 or len(inputs) % sum(sizes):
        msg = f"one inference takes {sum(sizes)} bytes of input, found {len(inputs)}"
        raise InputError(msg)
    wanted = _layer_tensors(interpreter) if layers else _output_tensors(interpreter)
    header: list[dict[str, Any]] = []
    body = bytearray()
    n_inferences = len(inputs) // sum(sizes)
    offset = 0
    for _ in range(n_inferences):
        interpreter.reset_all_variables()
        for port, size in zip(ports, sizes, strict=True):
            dtype = np.dtype(port["dtype"]).newbyteorder("<")
            values = np.frombuffer(inputs, dtype, size // dtype.itemsize, offset)
            interpreter.set_tensor(port["index"], values.reshape(port["shape"]))
            offset += size
        interpreter.invoke()
        tensors = []
        for index, op, name in wanted:
            values = interpreter.get_tensor(index)
            raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
            body += raw
            tensors.append(
                {
                    "index": int(index),
                    "op": op,
                    "name": name,
                    "shape": [int(extent) for extent in values.shape],
                    "dtype": values.dtype.name,
                    "n_bytes": len(raw),
                }
            )
        if header and tensors != header:
            msg = "a tensor's shape differs from one inference to the next"
            raise ValueError(msg)
        header = tensors
    first_line = json.dumps({"format": FORMAT, "n_inferences": n_inferences, "tensors": header})
    return first_line.encode() + b"\n" + bytes(body)


def _output_tensors(interpreter: Any) -> list[tuple[int, int | None, str]]:  # noqa: ANN401  LiteRT ships no types
    return [(port["index"], None, port["name"]) for port in interpreter.get_output_details()]


def _layer_tensors(interpreter: Any) -> list[tuple[int, int | None, str]]:  # noqa: ANN401  LiteRT ships no types
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    return [
        (index, op["index"], names[index])
        for op in interpreter._get_ops_details()  # noqa: SLF001  there is no public list
        for index in op["outputs"]
    ]


def _supervise(argv: Sequence[str]) -> int:
    child = subprocess.run(
        [sys.executable, "-I", __file__, "--child", *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if child.returncode == 0:
        return 0
    sys.stderr.write(child.stderr.decode(errors="replace"))
    if child.returncode < 0:
        name = str(-child.returncode)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-child.returncode).name
        print(
            f"LiteRT crashed ({name}) on this model: the file may be damaged, or its reference "
            "kernels may not take such values",
            file=sys.stderr,
        )
    return 1


def _forbid_core_dump() -> None:
    # A crash is an expected answer here; gigabytes of memory image are not.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  POSIX only

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
