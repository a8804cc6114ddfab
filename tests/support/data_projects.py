"""Workspaces with data files, for tests that read data and measure accuracy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anvil.cache.store import Store
from anvil.core.target import DataFiles, Project
from anvil.core.tensor import DType, Quantization, Tensor
from anvil.pipeline.executors import Executors
from anvil.pipeline.workspace import Model, Workspace
from anvil.process import Cancellation

if TYPE_CHECKING:
    from anvil.core.diagnostics import Diagnostic


def port(*shape: int, dtype: DType = DType.FLOAT32, name: str = "input") -> Tensor:
    """An input of a model; quantized where its type is int8 or int16."""
    quantization = None
    if dtype in {DType.INT8, DType.INT16}:
        quantization = Quantization(scales=(0.25,), zero_points=(3 * (dtype is DType.INT8),))
    return Tensor(name=name, shape=shape, dtype=dtype, quantization=quantization)


def workspace(folder: Path, *, cache: Path, model: bytes = b"", **data: Any) -> Workspace:  # noqa: ANN401  DataFiles' fields
    """A workspace whose anvil.yaml lies in `folder` and says `data`, paths relative to it."""
    for role in ("calibration", "evaluation"):
        if role in data:
            data[role] = str(folder / data[role])
    store, cancellation = Store(root=cache), Cancellation()
    return Workspace(
        project=Project(
            name="p",
            file=str(folder / "anvil.yaml"),
            model=str(folder / "model.tflite"),
            model_position=(3, 8),
            data=DataFiles(**data) if data else None,
            optimize=("product", "accuracy"),
            targets=(),
        ),
        folder=folder,
        out=folder / "build",
        model=Model(
            file=str(folder / "model.tflite"),
            content=model,
            sha256=hashlib.sha256(model).hexdigest(),
        ),
        store=store,
        cancellation=cancellation,
        executors=Executors(wanted="host", store=store, cancellation=cancellation, project=folder),
    )


def text_of(diagnostics: tuple[Diagnostic, ...], folder: Path) -> str:
    """Diagnostics as people see them, without the folder's place."""
    lines = []
    for diagnostic in diagnostics:
        lines.append(f"{diagnostic.location}: {diagnostic.severity.value}: {diagnostic.message}")
        lines.append(f"     code: {diagnostic.code}")
        if diagnostic.hint:
            lines.append(f"     hint: {diagnostic.hint}")
    return "\n".join(lines).replace(f"{folder}/", "") + "\n"
