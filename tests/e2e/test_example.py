"""The committed example: what its README says of the model and the data is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from anvil.importers.tflite import import_tflite
from anvil.ops.registry import DEFINITIONS
from anvil.verify import litert_worker
from anvil.verify.reference import decode
from tests.support.cli import anvil
from tests.support.programs import ROOT, require_program

FOLDER = ROOT / "examples" / "digits"
MODEL = (ROOT / "quantized" / "int8.tflite").read_bytes()


def test_the_model_reads_nearly_every_evaluation_image() -> None:
    with np.load(FOLDER / "evaluation.npz") as data:
        x, y = data["x"], data["y"]
    inputs = (np.round(x * 255) - 128).astype(np.int8)
    outputs = decode(litert_worker.run(MODEL, inputs.tobytes(), layers=False)).values
    answers = [int(np.argmax(np.frombuffer(scores, np.int8))) for (scores,) in outputs]
    assert np.mean(np.array(answers) == y) >= 0.97


@pytest.mark.parametrize(("name", "n_images"), [("calibration", 100), ("evaluation", 400)])
def test_the_data_is_as_described(name: str, n_images: int) -> None:
    with np.load(FOLDER / f"{name}.npz") as data:
        x, y = data["x"], data["y"]
    assert (x.dtype, x.shape, y.dtype, y.shape) == (
        "float32",
        (n_images, 8, 8, 1),
        "int64",
        y.shape,
    )
    counts = x * 16
    assert np.array_equal(counts, np.round(counts))
    assert (counts.min(), counts.max()) == (0, 16)
    assert np.array_equal(np.bincount(y), [n_images // 10] * 10)


def test_the_graph_is_as_described() -> None:
    graph = import_tflite(MODEL, file="int8.tflite", definitions=DEFINITIONS)
    (image,) = (graph.tensors[index] for index in graph.inputs)
    (scores,) = (graph.tensors[index] for index in graph.outputs)
    assert (image.shape, image.dtype.value, scores.shape) == ((1, 8, 8, 1), "int8", (1, 10))
    assert image.quantization is not None
    assert (image.quantization.scale, image.quantization.zero_point) == (
        float(np.float32(1 / 255)),
        -128,
    )
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b|\bRESHAPE\b|\bSOFTMAX\b", readme))
    assert {op.kind for op in graph.ops} == named


def test_anvil_yaml_names_the_files() -> None:
    project = yaml.safe_load((ROOT / "anvil.yaml").read_text(encoding="utf-8"))
    files = [project["model"], project["data"]["calibration"], project["data"]["evaluation"]]
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_target_answers_the_evaluation_images_alike(
    built_example: Path, tmp_path: Path
) -> None:
    with np.load(FOLDER / "evaluation.npz") as data:
        images, labels = data["x"][:100], data["y"][:100]
    np.save(tmp_path / "x.npy", (np.round(images * 255) - 128).astype(np.int8))
    answers = {}
    for target, program in {
        "nrf52840": "qemu-system-arm",
        "rpi4": "qemu-aarch64",
        "browser": "node",
        "linux-x86_64": None,
    }.items():
        if program is not None:
            require_program(program)
        output = tmp_path / f"{target}.npy"
        ended = anvil(
            "run", "--project", ROOT, "--out", built_example, "--target", target,
            "--input", tmp_path / "x.npy", "--output", output,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        answers[target] = np.load(output)
    first = answers.pop("linux-x86_64")
    assert first.shape == (100, 10)
    assert np.mean(first.argmax(axis=1) == labels) > 0.95
    for target, found in answers.items():
        np.testing.assert_array_equal(found, first, err_msg=target)
