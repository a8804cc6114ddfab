"""One peer in a process of its own, in the peers' Python: times batches as it is told.

    python -m benchmarks.peers.native_worker PEER MODEL.tflite

Standard input has one number to a line; each answer is the median of so many inferences in
nanoseconds. The first line of all answers names the library, and how far its outputs are from
those of LiteRT's reference kernels, in steps of the int8 output.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ai_edge_litert
import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from benchmarks.peers.onnx_model import onnx_model

if TYPE_CHECKING:
    from collections.abc import Callable

_RESOLVERS = {
    "LiteRT XNNPACK": OpResolverType.AUTO,
    "LiteRT builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}
_SEED = 5
_WARM_UP = 20


def _interpreter(model: bytes, resolver: str) -> Any:  # noqa: ANN401  it ships no types
    made = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=_RESOLVERS[resolver],
    )
    made.allocate_tensors()
    return made


def _litert(model: bytes, peer: str, given: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:  # noqa: ANN401
    """What runs one inference, and what gives its output."""
    interpreter = _interpreter(model, peer)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    index = interpreter.get_output_details()[0]["index"]
    return interpreter.invoke, lambda: interpreter.get_tensor(index)


def _onnx_runtime(model: bytes, given: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        onnx_model(model), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: (given.astype(np.int16) + 128).astype(np.uint8)}

    def output() -> Any:  # noqa: ANN401
        return (session.run(None, feed)[0].astype(np.int16) - 128).astype(np.int8)

    return lambda: session.run(None, feed), output


def main() -> None:
    """Answer until the input ends."""
    peer, file = sys.argv[1:]
    model = Path(file).read_bytes()
    details = _interpreter(model, "reference").get_input_details()[0]
    dtype = np.dtype(details["dtype"])
    rng = np.random.default_rng(_SEED)
    given = rng.integers(-128, 128, details["shape"]).astype(dtype)
    run_reference, expected = _litert(model, "reference", given)
    run_reference()
    if peer == "ONNX Runtime":
        version = onnxruntime.__version__
        run, output = _onnx_runtime(model, given)
    else:
        version = ai_edge_litert.__version__
        run, output = _litert(model, peer, given)
    run()
    off = int(np.abs(output().astype(np.int16) - expected().astype(np.int16)).max())
    print(f"{peer} {version}; {off}", flush=True)
    for _ in range(_WARM_UP):
        run()
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter_ns()
            run()
            times.append(time.perf_counter_ns() - start)
        print(statistics.median(times), flush=True)


if __name__ == "__main__":
    main()
