"""The text of a new anvil.yaml, and the metric that a model and its labels suggest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from anvil.config.names import reason_against
from anvil.config.profiles import SourceFile
from anvil.config.project import LoadedProject, load_project
from anvil.config.starter import Starter, StarterData, project_name, scalar, starter_text
from anvil.importers.outline import (
    Outline,
    OutlinePort,
    outline_of_keras,
    outline_of_saved_model,
)
from anvil.pipeline.init_data import find_data, guess_metric
from tests.support import configuration

_NOTHING_KNOWN = StarterData()


def starter(**changes: Any) -> Starter:  # noqa: ANN401  any field
    values: dict[str, Any] = {
        "name": "digits",
        "model": "models/digits.keras",
        "model_note": "input 8 x 8 x 1",
        "data": _NOTHING_KNOWN,
        "targets": [("nrf52840", "A board\nof two lines"), ("rpi4", "")],
        "left_out": [("browser", "too small\nby far")],
        "schema": "anvil.schema.json",
    }
    return Starter(**values | changes)


def loaded(text: str) -> LoadedProject:
    return load_project(
        SourceFile(file="anvil.yaml", content=text.encode()),
        roots=[configuration.built_in()],
        schemas=configuration.schemas(),
    )


@pytest.mark.parametrize(
    "data",
    [
        _NOTHING_KNOWN,
        StarterData(calibration="c.npz"),
        StarterData(evaluation="e.npz", metric="auc:reconstruction"),
        StarterData(
            calibration="c.npz",
            evaluation="sub dir/e #1.npz",
            keys={"x": "specs", "y": "yes"},
            metric="top1",
        ),
    ],
)
def test_the_text_is_a_valid_configuration(data: StarterData) -> None:
    project = loaded(starter_text(starter(data=data))).project
    assert project.name == "digits"
    assert project.model == "models/digits.keras"
    assert [request.target.name for request in project.targets] == ["nrf52840", "rpi4"]
    if data.is_empty:
        assert project.data is None
    else:
        assert project.data is not None
        assert project.data.calibration == data.calibration
        assert project.data.evaluation == data.evaluation
        assert project.data.metric == (data.metric if data.evaluation else None)


def test_what_is_commented_out_is_valid_too() -> None:
    text = starter_text(starter())
    begin, end = text.index("# data:"), text.index("targets:")
    lines = [
        line.removeprefix("# ") if not line.startswith("#   ") else line[1:].replace("  ", " ", 1)
        for line in text[begin:end].splitlines()
    ]
    project = loaded(text[:begin] + "\n".join(lines) + "\n" + text[end:]).project
    assert project.data is not None
    assert project.data.metric == "top1"
    assert project.targets[0].requirements.max_ram_bytes == 64 * 1024
    assert project.targets[0].requirements.max_latency_s == pytest.approx(0.05)


@pytest.mark.parametrize(
    "text",
    [
        "a.tflite",
        "12",
        "0x1f",
        "1e3",
        "2026-01-01",
        "yes",
        "~",
        "",
        "a: b",
        "a #b",
        "- a",
        "'quoted'",
        'say "hi"',
        "back\\slash",
        "*alias",
        "{flow}",
        "tab\there",
        "zero\N{ZERO WIDTH SPACE}width",
        "naïve 日本 \U0001f600",
        "../up/x.h5",
        "%",
        "@x",
        "!tag",
        "\N{NEXT LINE}",
    ],
)
def test_a_scalar_is_read_back_as_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}
    assert yaml.safe_load(f"{{key: {scalar(text)}}}") == {"key": text}


@pytest.mark.parametrize("text", ["two\nlines", "\r", "a\0b", "half \ud800"])
def test_what_no_line_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no text of one line"):
        scalar(text)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("digits", "digits"),
        ("digits.int8", "digits"),
        ("KWS-small_v2.float32", "kws_small_v2"),
        ("kws_saved_model", "kws_saved_model"),
        ("2024 model", "model_2024_model"),
        ("int", "int_model"),
        ("anvil", "model_anvil"),
        ("math", "math_model"),
        ("日本", "model"),
        ("", "model"),
        ("x" * 50, "x" * 32),
        ("a" * 31 + "-b", "a" * 31),
    ],
)
def test_names_of_projects(stem: str, name: str) -> None:
    assert project_name(stem) == name
    assert reason_against(name) is None
    assert loaded(starter_text(starter(name=project_name(stem)))).project.name == name


# Metrics.


def outline(inputs: tuple[int | None, ...], outputs: tuple[int | None, ...] | None) -> Outline:
    return Outline(
        inputs=(OutlinePort(name="x", shape=(None, *inputs)),),
        outputs=() if outputs is None else (OutlinePort(name="y", shape=(None, *outputs)),),
    )


@pytest.mark.parametrize(
    ("found", "labels", "metric"),
    [
        (outline((8, 8, 1), (10,)), np.arange(10), "top1"),
        (outline((8, 8, 1), (10,)), np.arange(10.0)[:, np.newaxis], "top1"),
        (outline((8, 8, 1), (10,)), np.eye(10), "top1"),
        (outline((8, 8, 1), (10,)), np.arange(11), None),
        (outline((8, 8, 1), (10,)), np.arange(10) + 0.5, None),
        (outline((8, 8, 1), (10,)), np.linspace(0, 1, 40).reshape(4, 10), "mse"),
        (outline((8, 8, 1), None), np.arange(10), "top1"),
        (outline((4,), (1,)), np.array([0, 1, 1]), "auc"),
        (outline((4,), (1,)), np.array([False, True]), "auc"),
        (outline((4,), (1,)), np.array([0.5, 1.25, 3]), "mse"),
        (outline((4,), (1,)), np.array([1, 1, 1]), "mse"),
        (outline((640,), (640,)), np.array([0, 1, 0]), "auc:reconstruction"),
        (outline((640,), (640,)), np.zeros((3, 640)), "mse"),
        (outline((640,), (640,)), None, "mse"),
        (outline((4,), (3,)), None, None),
        (outline((4,), (3,)), np.array([0, np.nan]), None),
    ],
)
def test_the_metric_follows_from_output_and_labels(
    found: Outline, labels: np.ndarray[Any, Any] | None, metric: str | None
) -> None:
    assert guess_metric(found, labels) == metric


def _data(folder: Path, model: Outline) -> StarterData:
    return find_data(model, [folder], "words", lambda path: path.name)


def test_data_is_recognized_by_its_shapes(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    np.savez(tmp_path / "other_model.npz", x=rng.random((9, 7)), y=np.arange(9))
    np.savez(tmp_path / "words_eval.npz", x=rng.random((20, 4, 4)), y=np.arange(20) % 3)
    np.savez_compressed(tmp_path / "calib.npz", x=rng.random((10, 4, 4)))
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 nothing of the kind")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    (tmp_path / "folder.npz").mkdir()
    found = _data(tmp_path, outline((4, 4), (3,)))
    assert (found.calibration, found.evaluation, found.metric) == (
        "calib.npz",
        "words_eval.npz",
        "top1",
    )
    assert not found.keys
    assert found.evaluation_note == "20 samples, with labels"
    assert _data(tmp_path, outline((5, 5), (3,))).is_empty


def test_other_keys_are_named(tmp_path: Path) -> None:
    specs = np.zeros((6, 4, 4), np.float32)
    np.savez(tmp_path / "a.npz", specs=specs, labels=np.arange(6) % 3)
    found = _data(tmp_path, outline((4, 4), (3,)))
    assert found.evaluation == "a.npz"
    assert found.keys == {"x": "specs", "y": "labels"}


def test_the_file_that_begins_like_the_model_comes_first(tmp_path: Path) -> None:
    for name in ("a_test.npz", "words_test.npz"):
        np.savez(tmp_path / name, x=np.zeros((6, 4)), y=np.arange(6) % 3)
    assert _data(tmp_path, outline((4,), (3,))).evaluation == "words_test.npz"


def test_a_model_of_several_inputs_gets_no_data(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 4)), y=np.arange(6))
    one = outline((4,), (3,))
    two = Outline(inputs=one.inputs * 2, outputs=one.outputs)
    assert _data(tmp_path, two).is_empty


# Outlines.


def _layer(kind: str, **config: object) -> dict[str, object]:
    return {"class_name": kind, "config": config}


def test_keras_2_and_3_tell_their_shapes() -> None:
    old = {
        "class_name": "Functional",
        "config": {
            "layers": [
                _layer(
                    "InputLayer", batch_input_shape=[None, 96, 96, 3], name="in", dtype="float32"
                ),
                _layer("Dense", units=2),
                _layer("Activation", activation="softmax"),
            ],
            "output_layers": [["activation", 0, 0]],
        },
    }
    found = outline_of_keras(old)
    assert found.inputs == (OutlinePort(name="in", shape=(None, 96, 96, 3), dtype="float32"),)
    assert found.outputs == (OutlinePort(name="", shape=(None, 2)),)
    new = {
        "class_name": "Sequential",
        "config": {"layers": [_layer("Conv2D")], "build_input_shape": [None, 8, 8, 1]},
    }
    assert outline_of_keras(new).inputs[0].sample_shape == (8, 8, 1)
    assert outline_of_keras(new).outputs == ()


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "text",
        {},
        {"config": []},
        {"config": {"layers": [None, 3, {"class_name": ["x"], "config": 4}]}},
        {"config": {"layers": [_layer("InputLayer", batch_shape=[None, "a"])]}},
        {"config": {"layers": [_layer("InputLayer", batch_shape=[None, -1])]}},
        {"config": {"layers": [_layer("Dense", units="many")], "output_layers": "x"}},
    ],
)
def test_a_strange_configuration_tells_nothing(config: object) -> None:
    assert outline_of_keras(config) == Outline()


def _field(number: int, value: bytes | int) -> bytes:
    def varint(n: int) -> bytes:
        parts = []
        while n >= 0x80:
            parts.append(n & 0x7F | 0x80)
            n >>= 7
        return bytes([*parts, n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def _saved_model(*sizes: int) -> bytes:
    shape = b"".join(_field(2, _field(1, size)) for size in sizes)
    info = _field(1, b"x:0") + _field(2, 1) + _field(3, shape)
    port = _field(1, b"image") + _field(2, info)
    signature = _field(1, port) + _field(2, port)
    entry = _field(1, b"serving_default") + _field(2, signature)
    return _field(1, 1) + _field(2, _field(5, entry))


def test_a_saved_model_tells_its_signature() -> None:
    found = outline_of_saved_model(_saved_model((1 << 64) - 1, 49, 10))
    port = OutlinePort(name="image", shape=(None, 49, 10), dtype="float32")
    assert found == Outline(inputs=(port,), outputs=(port,))


@pytest.mark.parametrize("n_bytes", range(1, len(_saved_model(1, 2)), 3))
def test_a_saved_model_cut_short_is_an_error(n_bytes: int) -> None:
    content = _saved_model(1, 2)
    assert outline_of_saved_model(b"") == Outline()
    # The first field of two bytes stands on its own.
    if n_bytes != 2:
        with pytest.raises(ValueError, match=r"beyond the end|does not end"):
            outline_of_saved_model(content[:n_bytes])
