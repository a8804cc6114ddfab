"""Models in: what each format becomes, and what is said of files that cannot be used."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from anvil.build import tools
from anvil.core.diagnostics import AnvilError, ExitCode
from anvil.pipeline.source import source_model
from anvil.pipeline.workspace import Options, read_model
from anvil.quantize.formats import ModelFormat
from tests.support.data_projects import workspace
from tests.support.float_models import N_INPUTS, dense_graph
from tests.support.keras_files import keras_file
from tests.support.tflite_builder import run_reference, tflite_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.core.diagnostics import Diagnostic
    from anvil.pipeline.events import Event
    from anvil.pipeline.source import SourceModel
    from anvil.pipeline.workspace import Workspace


def _deaf(_event: Event) -> None:
    pass


def _workspace(folder: Path, model: Path, *, allow_unsafe: bool = False) -> Workspace:
    made = workspace(folder, cache=folder / "cache")
    project = replace(made.project, model=str(model))
    return replace(
        made,
        project=project,
        model=read_model(project),
        options=Options(allow_unsafe_model=allow_unsafe),
    )


def _converted(folder: Path, model: Path, *, allow_unsafe: bool = False) -> SourceModel:
    return source_model(
        _workspace(folder, model, allow_unsafe=allow_unsafe), _deaf, allow_unsafe=allow_unsafe
    )


def _refusal(folder: Path, model: Path, exit_code: ExitCode = ExitCode.BAD_INPUT) -> Diagnostic:
    with pytest.raises(AnvilError) as caught:
        _converted(folder, model)
    assert caught.value.exit_code is exit_code
    assert all(diagnostic.hint for diagnostic in caught.value.diagnostics)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good.keras", ModelFormat.KERAS),
        ("good2.h5", ModelFormat.H5),
        ("good3.h5", ModelFormat.H5),
        ("good_saved_model", ModelFormat.SAVED_MODEL),
    ],
)
def test_every_format_becomes_the_same_function(
    tmp_path: Path, name: str, expected: ModelFormat
) -> None:
    model = keras_file(name)
    assert _workspace(tmp_path, model).model.format is expected
    source = _converted(tmp_path, model)
    assert source.kind == "float32"
    assert [port.shape for port in source.inputs] == [(1, 6, 6, 2)], "the batch becomes 1"
    (found,) = run_reference(source.content, [np.load(keras_file("x.npy"))])
    np.testing.assert_allclose(found, np.load(keras_file("y.npy")), rtol=1e-4, atol=1e-5)
    steps: list[str] = []
    again = source_model(_workspace(tmp_path, model), lambda event: steps.append(event.step))
    assert again == source
    assert set(steps) == {""}, "it was not converted again"


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    shutil.copy(keras_file("good2.h5"), tmp_path / "model.keras")
    assert _converted(tmp_path, tmp_path / "model.keras").kind == "float32"


@pytest.mark.parametrize("name", ["two_inputs.keras", "two_named_inputs.keras"])
def test_several_inputs_keep_their_meaning(tmp_path: Path, name: str) -> None:
    source = _converted(tmp_path, keras_file(name))
    values = {"left": np.full((1, 3), 2, np.float32), "right": np.full((1, 2), 5, np.float32)}
    ordered = [values[port.name.partition(":")[0]] for port in source.inputs]
    (found,) = run_reference(source.content, ordered)
    assert found.item() == pytest.approx(3 * 2 - 2 * 2 * 5)


def test_the_range_of_inputs_comes_from_what_training_saw(
    shared_model: object, tmp_path: Path
) -> None:
    keras_file("x.npy")
    assert callable(shared_model)
    source = _converted(tmp_path, shared_model("ic.h5"))
    assert source.input_ranges == ((0.0, 255.0),)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("lambda.keras", "model.unsafe", ("'doubled' (Lambda)", "Python code")),
        ("lambda.h5", "model.unsafe", ("'doubled' (Lambda)", "Python code")),
        ("lambda.legacy.h5", "model.unsafe", ("'doubled' (Lambda)", "Python code")),
        ("custom.keras", "model.unsafe", ("'own'", "mine>Doubled")),
        ("python_saved_model", "model.unsafe", ("PyFunc",)),
        ("linked.h5", "model.unsafe", ("lies in another file",)),
        ("dynamic.keras", "model.dynamic-shape", ("'picture'", "(1, ?, ?, 2)")),
        ("dynamic_saved_model", "model.dynamic-shape", ("(1, ?)",)),
        ("loop.keras", "model.control-flow", ("WHILE",)),
        ("only.weights.h5", "model.corrupt", ("no model's configuration",)),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(
    tmp_path: Path, name: str, code: str, words: tuple[str, ...]
) -> None:
    said = _refusal(tmp_path, keras_file(name))
    assert said.code == code
    for word in words:
        assert word in said.message
    assert said.file == str(keras_file(name))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = np.ones((2, N_INPUTS), np.float32)
    model = tmp_path / "model.tflite"
    model.write_bytes(tflite_bytes(dense_graph([weights])))
    assert _converted(tmp_path, model).kind == "float32"
    weights[1, 2] = np.nan
    model.write_bytes(tflite_bytes(dense_graph([weights])))
    said = _refusal(tmp_path, model)
    assert said.code == "model.nan"
    assert "holds NaN" in said.message


def test_a_lambda_is_converted_with_consent_and_for_that_run_alone(tmp_path: Path) -> None:
    model = keras_file("lambda.h5")
    assert _converted(tmp_path, model, allow_unsafe=True).kind == "float32"
    assert _refusal(tmp_path, model).code == "model.unsafe"


@pytest.mark.parametrize("name", ["good.keras", "good2.h5", "good3.h5"])
def test_truncated_files(tmp_path: Path, name: str) -> None:
    content = keras_file(name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(content[: len(content) // 2])
    assert _refusal(tmp_path, cut).code == "model.corrupt"


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
def test_truncated_folders(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(keras_file("good_saved_model"), folder)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    assert _refusal(tmp_path, folder).code == "model.corrupt"


def test_without_tensorflow_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tools.installed_version
    absent = {"tensorflow", "tf_keras"}
    monkeypatch.setattr(
        tools, "installed_version", lambda name: None if name in absent else known(name)
    )
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    said = _refusal(tmp_path, tmp_path / "model.h5", ExitCode.FAILED)
    assert said.code == "tool.missing"
    assert "tensorflow 2.21.0" in said.message
    assert "bootstrap.py --tensorflow" in str(said.hint)


def test_a_folder_without_a_graph(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    said = _refusal(tmp_path, tmp_path / "model")
    assert "saved_model.pb" in said.message


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    said = _refusal(tmp_path, tmp_path / "model.h5")
    assert "a PNG image" in said.message
    assert ".keras" in str(said.hint)
