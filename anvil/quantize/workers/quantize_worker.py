"""A program of its own: quantizes a float32 .tflite file with LiteRT.

    python quantize_worker.py int8|int16x8|float16 OUTPUT
    python quantize_worker.py mixed OUTPUT

Reads `float32.tflite`, and for the kinds that need it `calibration.bin`: the input tensors
of every sample, raw and little-endian, in the model's order, samples back to back. `mixed`
reads `int8.tflite`, too. OUTPUT becomes the quantized file; for `mixed` a line of JSON,
`{"format": 1, "steps": [{"float_ops", "signal_to_noise_db", "n_bytes"}, ...]}`, and the steps'
files back to back, each with more operators in float than the one before.

TensorFlow takes no part: LiteRT carries the quantizer.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from anvil.quantize.workers.supervised_worker import RefusalError, run_supervised

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Sample = list[npt.NDArray[Any]]

_FORMAT = 1
_MODEL, _INT8, _CALIBRATION = Path("float32.tflite"), Path("int8.tflite"), Path("calibration.bin")
_TYPES = {"int8": ("int8", "int32"), "int16x8": ("int16", "int64")}  # activations, biases

# The search for what to leave in float, bounded: samples it looks at, sets of operators it
# tries again in each step, and steps.
_N_SAMPLES = 8
_N_TRIED_AGAIN = 8
_N_STEPS = 6


def work(argv: Sequence[str]) -> None:
    """The worker's job. Raises RefusalError where LiteRT refuses."""
    kind, output = argv
    whole = _MODEL.read_bytes()
    try:
        if kind == "float16":
            from anvil.quantize.half_weights import halve_weights  # noqa: PLC0415

            content = halve_weights(whole)
        elif kind == "mixed":
            content = _mixed(whole, _INT8.read_bytes(), _samples(whole))
        else:
            content = _quantized(whole, kind)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RefusalError(
            "quantize.refused",
            reason,
            "the other candidates are not concerned; "
            "an operator that LiteRT cannot quantize is best replaced in the model",
        ) from error
    Path(output).write_bytes(content)


def _samples(model: bytes) -> list[Sample]:
    import numpy as np  # noqa: PLC0415  the supervising process does without

    content = _CALIBRATION.read_bytes()
    ports = _interpreter(model).get_input_details()
    dtypes = [np.dtype(port["dtype"]).newbyteorder("<") for port in ports]
    counts = [math.prod(int(extent) for extent in port["shape"]) for port in ports]
    n_bytes = sum(n * dtype.itemsize for n, dtype in zip(counts, dtypes, strict=True))
    if n_bytes == 0 or not content or len(content) % n_bytes:
        raise ValueError(f"one sample takes {n_bytes} bytes, the data has {len(content)}")
    samples, offset = [], 0
    while offset < len(content):
        sample = []
        for port, dtype, count in zip(ports, dtypes, counts, strict=True):
            values = np.frombuffer(content, dtype, count, offset)
            sample.append(values.astype(port["dtype"]).reshape(port["shape"]))
            offset += count * dtype.itemsize
        samples.append(sample)
    return samples


def _quantized(whole: bytes, kind: str) -> bytes:
    import numpy as np  # noqa: PLC0415

    # LiteRT's quantizer has no public name; the version is pinned.
    from ai_edge_litert._pywrap_tensorflow_lite_calibration_wrapper import (  # noqa: PLC0415
        CalibrationWrapper,
    )

    samples = _samples(whole)
    calibrator = CalibrationWrapper(whole, [], [])
    calibrator.Prepare([list(values.shape) for values in samples[0]])
    for sample in samples:
        calibrator.FeedTensor(sample)
    activations, biases = (np.dtype(name).num for name in _TYPES[kind])
    content = bytes(
        calibrator.QuantizeModel(
            activations,  # of the inputs
            activations,  # of the outputs
            False,  # no operator may stay in float
            activations,
            biases,
            False,  # weights per channel
            False,  # those of dense layers, too
        )
    )
    # A file that the reference kernels refuse is no candidate.
    _interpreter(content)
    return content


def _mixed(whole: bytes, int8: bytes, samples: list[Sample]) -> bytes:
    """Operators to leave in float, most helpful first: a greedy search on the outputs' error."""
    from anvil.quantize.mixed_precision import (  # noqa: PLC0415
        leave_in_float,
        n_operators,
        neighbourhoods,
    )

    # Spread over the data, whose order may mean something.
    few = [samples[i * len(samples) // _N_SAMPLES] for i in range(_N_SAMPLES)]
    expected = _outputs(whole, few)
    error = _error(expected, _outputs(int8, few))
    sites = neighbourhoods(whole)
    n_ops = n_operators(whole)
    chosen: frozenset[int] = frozenset()
    steps: list[tuple[dict[str, Any], bytes]] = []
    while len(steps) < _N_STEPS and sites:
        tried = []
        for site in sites:
            union = chosen | site
            if union == chosen or len(union) == n_ops:
                continue
            content = leave_in_float(whole, int8, union)
            found = _error(expected, _outputs(content, few))
            # What each operator in float is worth; the smallest numbers stand for no error.
            gain = math.log((error + 1e-30) / (found + 1e-30)) / len(union - chosen)
            tried.append((gain, union, site, found, content))
        tried.sort(key=lambda row: (-row[0], sorted(row[1])))
        if not tried or tried[0][0] <= 0:
            break
        _, chosen, _, error, content = tried[0]
        sites = [row[2] for row in tried[1 : 1 + _N_TRIED_AGAIN]]
        decibels = None if error == 0 else round(-10 * math.log10(error), 2)
        step = {
            "float_ops": sorted(chosen),
            "signal_to_noise_db": decibels,
            "n_bytes": len(content),
        }
        steps.append((step, content))
    if not steps:
        raise ValueError("no operator left in float brings the outputs nearer to the float model's")
    line = json.dumps({"format": _FORMAT, "steps": [step for step, _ in steps]})
    return line.encode() + b"\n" + b"".join(content for _, content in steps)


def _interpreter(content: bytes) -> Any:  # noqa: ANN401  LiteRT ships no types
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    return interpreter


def _outputs(content: bytes, samples: list[Sample]) -> list[list[npt.NDArray[np.float64]]]:
    """Real values of every output, [sample][output]."""
    import numpy as np  # noqa: PLC0415

    interpreter = _interpreter(content)
    rows = []
    for sample in samples:
        for port, real in zip(interpreter.get_input_details(), sample, strict=True):
            values = real
            if port["dtype"] != real.dtype:
                scale, zero_point = port["quantization"]
                limits = np.iinfo(port["dtype"])
                levels = np.round(real / np.float32(scale)) + zero_point
                values = np.clip(levels, limits.min, limits.max).astype(port["dtype"])
            interpreter.set_tensor(port["index"], values)
        interpreter.reset_all_variables()
        interpreter.invoke()
        row = []
        for port in interpreter.get_output_details():
            result = interpreter.get_tensor(port["index"]).astype(np.float64)
            scale, zero_point = port["quantization"]
            row.append((result - zero_point) * scale if scale else result)
        rows.append(row)
    return rows


def _error(
    expected: list[list[npt.NDArray[np.float64]]], found: list[list[npt.NDArray[np.float64]]]
) -> float:
    """The outputs' noise power relative to the signal's, the mean over outputs."""
    total = 0.0
    n_outputs = len(expected[0])
    for place in range(n_outputs):
        noise = sum(
            float(((a[place] - b[place]) ** 2).sum()) for a, b in zip(expected, found, strict=True)
        )
        signal = sum(float((row[place] ** 2).sum()) for row in expected)
        total += noise / (signal or 1.0)
    return total / n_outputs


if __name__ == "__main__":
    sys.exit(run_supervised(__file__, sys.argv[1:], work, "LiteRT"))
