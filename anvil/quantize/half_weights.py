"""The float16 candidate: weights stored as IEEE half, everything computed in float32."""

from __future__ import annotations

import numpy as np

from anvil.quantize import tflite_edit as edit

# The operators whose second input is the weights. Their biases are small and stay.
_WEIGHTED = {edit.CONV_2D, edit.DEPTHWISE_CONV_2D, edit.FULLY_CONNECTED}
_WEIGHTS = 1


def halve_weights(content: bytes) -> bytes:
    """A float32 .tflite file with its weights rounded to float16, each behind a DEQUANTIZE.

    This is the form that TensorFlow's own float16 quantization writes. Rounds to nearest,
    ties to even. Raises ValueError where a weight exceeds what a half can hold, or where no
    operator has float32 weights.
    """
    model = edit.read(content)
    graph = model.subgraphs[0]
    replaced: dict[int, int] = {}
    readers = []
    for operator in graph.operators:
        if edit.builtin_code(model, operator) not in _WEIGHTED:
            continue
        index = int(operator.inputs[_WEIGHTS])
        tensor = graph.tensors[index]
        constant = edit.constant_bytes(model, tensor)
        if tensor.type != edit.FLOAT32 or constant is None:
            continue
        if index not in replaced:
            values = np.frombuffer(constant, "<f4")
            with np.errstate(over="ignore"):
                halves = values.astype("<f2")
            if not np.isfinite(halves).all():
                name = tensor.name.decode(errors="replace")
                msg = (
                    f"the weights {name!r} reach {np.max(np.abs(values)):g}, and a half-precision "
                    f"number at most {np.finfo(np.float16).max:g}"
                )
                raise ValueError(msg)
            half = edit.add_tensor(
                model, tensor.name + b"/half", tensor.shape, edit.FLOAT16, halves
            )
            whole = edit.add_tensor(model, tensor.name + b"/float32", tensor.shape, edit.FLOAT32)
            readers.append(edit.make_operator(model, edit.DEQUANTIZE, 3, half, whole))
            replaced[index] = whole
        inputs = [int(i) for i in operator.inputs]
        inputs[_WEIGHTS] = replaced[index]
        operator.inputs = np.array(inputs, np.int32)
    if not replaced:
        msg = "no operator of the model has float32 weights"
        raise ValueError(msg)
    graph.operators = [*readers, *graph.operators]
    edit.drop_unused(model)
    return edit.write(model)
