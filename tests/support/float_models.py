"""Small float32 models for tests of quantization, and how near two models' outputs are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from anvil.core.attributes import Activation, FullyConnectedAttributes
from anvil.core.graph import Graph, Op
from anvil.core.tensor import DType
from tests.support.tflite_builder import activation, constant, run_reference, tflite_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

N_INPUTS = 12


def dense_graph(layers: Sequence[Array], *, dtype: DType = DType.FLOAT32) -> Graph:
    """Dense layers with RELU but after the last: each array is outputs x inputs."""
    tensors = [activation("x", (1, layers[0].shape[1]), dtype=dtype, scale=None)]
    ops = []
    current = 0
    for number, weights in enumerate(layers):
        last = number == len(layers) - 1
        first = len(tensors)
        tensors += [
            constant(f"dense{number}/weights", weights.astype(np.float32)),
            constant(f"dense{number}/bias", np.zeros(len(weights), np.float32)),
            activation(f"dense{number}/out", (1, len(weights)), dtype=dtype, scale=None),
        ]
        ops.append(
            Op(
                index=number,
                kind="FULLY_CONNECTED",
                inputs=(current, first, first + 1),
                outputs=(first + 2,),
                attributes=FullyConnectedAttributes(
                    activation=Activation.NONE if last else Activation.RELU, keep_num_dims=False
                ),
            )
        )
        current = first + 2
    return Graph(tensors=tuple(tensors), ops=tuple(ops), inputs=(0,), outputs=(current,))


def dense_model(sizes: Sequence[int] = (N_INPUTS, 16, 8, 4), seed: int = 0) -> bytes:
    """A .tflite of dense layers with random weights, whose values stay near 1."""
    rng = np.random.default_rng(seed)
    return tflite_bytes(
        dense_graph(
            [
                rng.normal(0, (2 / n_in) ** 0.5, (n_out, n_in))
                for n_in, n_out in itertools.pairwise(sizes)
            ]
        )
    )


def uneven_model(seed: int = 0) -> bytes:
    """Five dense layers; between the third and the fourth, channels of very different ranges.

    Half of those channels are 1,000 times as large as the others, and the fourth layer takes
    that out again, so that both halves matter alike. One int8 scale cannot hold both.
    """
    rng = np.random.default_rng(seed)
    sizes = (N_INPUTS, 16, 16, 16, 16, 8)
    layers = [
        rng.normal(0, (2 / n_in) ** 0.5, (n_out, n_in)) for n_in, n_out in itertools.pairwise(sizes)
    ]
    gains = np.where(np.arange(16) < 8, 1.0, 1e-3)
    layers[2] *= gains[:, np.newaxis]
    layers[3] /= gains
    return tflite_bytes(dense_graph(layers))


def real_outputs(content: bytes, samples: Sequence[Array]) -> Array:
    """The first output for each sample of real values, dequantized."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415  takes a while

    reader = Interpreter(model_content=content)
    port, result = reader.get_input_details()[0], reader.get_output_details()[0]
    rows = []
    for sample in samples:
        values = sample.astype(np.float32)
        if port["dtype"] is not np.float32:
            scale, zero_point = port["quantization"]
            limits = np.iinfo(port["dtype"])
            levels = np.round(values / scale) + zero_point
            values = np.clip(levels, limits.min, limits.max).astype(port["dtype"])
        (row,) = run_reference(content, [values])
        scale, zero_point = result["quantization"]
        rows.append((row.astype(np.float64) - zero_point) * scale if scale else row)
    return np.stack(rows)


def signal_to_noise_db(expected: Array, found: Array) -> float:
    """How much larger the expected values are than the differences, in decibels."""
    noise = float(np.mean((expected.astype(np.float64) - found) ** 2))
    signal = float(np.mean(expected.astype(np.float64) ** 2))
    return float(np.inf) if noise == 0 else 10 * float(np.log10(signal / noise))
