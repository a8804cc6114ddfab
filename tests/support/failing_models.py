"""Files that are no usable model, by name: the cases that every command must survive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anvil.core.attributes import Activation, FullyConnectedAttributes
from anvil.core.tensor import DType
from tests.support.graphs import small_network
from tests.support.tflite_builder import (
    activation,
    constant,
    model_object,
    one_op_model,
    pack,
    tflite_bytes,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingModel:
    """A file's bytes, and what is said of it."""

    content: bytes
    code: str
    message: str  # a part of the message


def failing_models() -> dict[str, FailingModel]:
    """The cases by name; each exits with 2."""
    sound = tflite_bytes(small_network())
    wrong_buffer = model_object(small_network())
    wrong_buffer.subgraphs[0].tensors[2].buffer = 4_000_000
    wrong_tensor = model_object(small_network())
    wrong_tensor.subgraphs[0].operators[1].inputs = [1, 77, 3]
    return {
        "empty": FailingModel(content=b"", code="model.empty", message="empty file (0 bytes)"),
        "truncated": FailingModel(
            content=sound[: len(sound) // 2],
            code="model.corrupt",
            message=f"and the file has {len(sound) // 2}",
        ),
        "truncated_header": FailingModel(
            content=sound[:6], code="model.not-tflite", message="it ends after 6 bytes"
        ),
        "png": FailingModel(
            content=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            code="model.not-tflite",
            message="it looks like a PNG image",
        ),
        "keras": FailingModel(
            content=b"PK\x03\x04" + bytes(30),
            code="model.not-tflite",
            message="it looks like a ZIP archive, such as a .keras model",
        ),
        "json": FailingModel(
            content=b'{"class_name": "Sequential"}\n',
            code="model.not-tflite",
            message="it looks like JSON text",
        ),
        "buffer_out_of_range": FailingModel(
            content=pack(wrong_buffer),
            code="model.corrupt",
            message="tensor 2 'weights' names buffer 4000000, and there are 13",
        ),
        "tensor_out_of_range": FailingModel(
            content=pack(wrong_tensor),
            code="model.corrupt",
            message="names tensor 77, and there are 12",
        ),
        "float": FailingModel(
            content=_float_model(),
            code="model.unsupported-type",
            message="this is a float32 model",
        ),
        "unsupported_op": FailingModel(
            content=one_op_model(
                "ELU",
                [activation("x", (1, 4), scale=0.5)],
                [activation("y", (1, 4), scale=1 / 128)],
            ),
            code="model.unsupported",
            message="op 0 ELU: operators of this kind are not supported",
        ),
    }


def _float_model() -> bytes:
    """One fully connected layer in float32 whose weights alone are quantized."""
    return one_op_model(
        "FULLY_CONNECTED",
        [
            activation("x", (1, 5), dtype=DType.FLOAT32, scale=None),
            constant("weights", np.ones((3, 5), np.int8), scales=[0.5]),
            None,
        ],
        [activation("y", (1, 3), dtype=DType.FLOAT32, scale=None)],
        FullyConnectedAttributes(activation=Activation.NONE, keep_num_dims=False),
    )
