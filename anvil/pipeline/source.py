"""Stage 3, first half: the model that everything else starts from, as a .tflite file.

    source = source_model(workspace, listener)
    source.kind      float32: candidates can be made of it; int8 and others: it is the candidate

A Keras model or a SavedModel is converted by an action, which is the only place where
TensorFlow runs, or its float32 file comes from the project's pinned candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.build.perform import healing, known, perform_files
from anvil.core.action import ActionError
from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode, Severity
from anvil.core.digest import digest_of
from anvil.pipeline.events import Event
from anvil.pipeline.pinned import read_pins
from anvil.quantize import convert
from anvil.quantize.failure import explained
from anvil.quantize.formats import ModelFormat

if TYPE_CHECKING:
    from anvil.core.tensor import Tensor
    from anvil.pipeline.events import Listener
    from anvil.pipeline.pinned import Pins
    from anvil.pipeline.workspace import Model, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """The model as a .tflite file."""

    content: bytes
    sha256: str
    kind: str  # float32, float16, int8, int16x8, mixed
    inputs: tuple[Tensor, ...]  # without their quantization
    # What the model's own statistics say of each input's values; None where they do not.
    input_ranges: tuple[tuple[float, float] | None, ...]
    is_pinned: bool = False


def source_model(
    workspace: Workspace, listener: Listener, *, allow_unsafe: bool = False
) -> SourceModel:
    """The workspace's model as a .tflite file, converted where it is none.

    Raises AnvilError: exit 2 where the model cannot be used, exit 1 where TensorFlow is
    missing or an action fails for another reason.
    """
    model = workspace.model
    if model.format is ModelFormat.TFLITE:
        return _source(model.content, model.file, ())
    pins = read_pins(workspace)
    if pins is not None and pins.model_sha256 == model.sha256:
        content = pins.files.get("float32")
        if content is not None:
            return _source(content, model.file, (), is_pinned=True)
    if model.format is ModelFormat.KERAS:
        _check_archive(model, allow_unsafe=allow_unsafe)
    stale = None if pins is None else _stale(pins)
    content, report = _converted(workspace, listener, stale, allow_unsafe=allow_unsafe)
    return _source(content, model.file, convert.decode_report(report))


def _source(
    content: bytes,
    file: str,
    ranges: tuple[tuple[float, float] | None, ...],
    *,
    is_pinned: bool = False,
) -> SourceModel:
    from anvil.importers.tflite_kind import HYBRID, kind_of

    kind = kind_of(content, file) if content[4:8] == b"TFL3" else None
    if kind is None:
        # The importer has the words for what is no .tflite, and for types that nobody takes.
        return SourceModel(
            content=content,
            sha256=digest_of(content).sha256,
            kind="int8",
            inputs=(),
            input_ranges=(),
        )
    if kind.name == HYBRID:
        raise AnvilError(
            Diagnostic(
                code="model.hybrid",
                message="the model's weights are int8 and its activations float32 (dynamic range "
                "quantization), which saves flash and no time",
                file=file,
                hint="give the float32 model: Anvil quantizes it; or a fully quantized one",
            )
        )
    if kind.not_a_number is not None:
        raise AnvilError(
            Diagnostic(
                code="model.nan",
                message=f"the constant {kind.not_a_number} holds NaN, and so will the outputs",
                file=file,
                hint="training diverged, or the file is damaged: train or save the model again",
            )
        )
    return SourceModel(
        content=content,
        sha256=digest_of(content).sha256,
        kind=kind.name,
        inputs=kind.inputs,
        input_ranges=ranges or (None,) * len(kind.inputs),
        is_pinned=is_pinned,
    )


def _check_archive(model: Model, *, allow_unsafe: bool) -> None:
    import io
    import zipfile

    from anvil.quantize.keras_archive import check_keras_archive

    try:
        with zipfile.ZipFile(io.BytesIO(model.content)) as archive:
            check_keras_archive(archive, model.file, allow_unsafe=allow_unsafe)
    except zipfile.BadZipFile as error:
        raise AnvilError(
            Diagnostic(
                code="model.corrupt",
                message=f"this .keras model is no whole ZIP archive: {error}",
                file=model.file,
                hint="the file is damaged or was cut short: copy it or save it again",
            )
        ) from None


def _stale(pins: Pins) -> Diagnostic:
    return Diagnostic(
        code="pin.stale",
        severity=Severity.NOTE,
        message="the pinned candidates are of another model: the model changed since",
        file=str(pins.folder),
        hint="restore the model that they were made of, or let them be made anew",
    )


def _converted(
    workspace: Workspace, listener: Listener, stale_pins: Diagnostic | None, *, allow_unsafe: bool
) -> tuple[bytes, bytes]:
    from anvil.quantize.workers.sources import worker_files

    model, store = workspace.model, workspace.store
    files = dict(model.folder) or {"": model.content}

    def attempt() -> dict[str, bytes]:
        action = convert.convert_action(
            model.format,
            model=store.put_tree(convert.model_files(model.format, files), frozenset()),
            worker=store.put_tree(worker_files("convert_worker"), frozenset()),
            allow_unsafe=allow_unsafe,
        )
        if known(action.key, store) is None:
            listener(Event(target="", step="converting the model"))
        return perform_files(action, store, workspace.executors.choose)[1]

    try:
        done = healing(attempt)
    except ActionError as error:
        diagnostic = explained(
            error.log,
            subject="the model cannot be converted",
            code="model",
            file=model.file,
        )
        if diagnostic is None:
            raise
        # A crash may be this machine's: too little memory, for one.
        crashed = diagnostic.code == "model.crashed"
        raise AnvilError(
            diagnostic, exit_code=ExitCode.FAILED if crashed else ExitCode.BAD_INPUT
        ) from None
    except AnvilError as error:
        if stale_pins is None:
            raise
        raise AnvilError(*error.diagnostics, stale_pins, exit_code=error.exit_code) from None
    finally:
        listener(Event(target="", step=""))
    return done[convert.OUTPUT], done[convert.REPORT]
